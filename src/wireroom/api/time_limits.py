"""Ends requests that take too long with 504, so that no caller waits for an answer that will not come.

The time runs until the answer begins: a stream that has begun may take as long as it likes. What the request
had handed to the database when it was ended is stored all the same, so a caller that writes should ask again
with the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wireroom.api.errors import error_response
from wireroom.perf.metrics import HTTP_TIMED_OUT

_log = structlog.get_logger(__name__)


class TimeLimits:
    """Stands before the routes."""

    def __init__(self, app: ASGIApp, *, seconds: float, unhurried: Sequence[str]) -> None:
        """Serve `app`.

        Args:
            app: The routes.
            seconds: The longest time until an answer begins; 0: any.
            unhurried: Beginnings of paths whose work has limits of its own, such as a whole run.
        """
        self._app = app
        self._seconds = seconds
        self._unhurried = tuple(unhurried)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._seconds or scope["path"].startswith(self._unhurried):
            await self._app(scope, receive, send)
            return
        limit = asyncio.timeout(self._seconds)

        async def begun(message: Message) -> None:
            if limit.expired():
                return  # what a route says on its way out; the caller is told 504
            if message["type"] == "http.response.start":
                limit.reschedule(None)
            await send(message)

        try:
            async with limit:
                await self._app(scope, receive, begun)
        except TimeoutError:
            if not limit.expired():
                raise
            await self._late(scope, receive, send)

    async def _late(self, scope: Scope, receive: Receive, send: Send) -> None:
        HTTP_TIMED_OUT.inc()
        _log.warning("request_timed_out", path=scope["path"], seconds=self._seconds)
        message = (
            f"This took longer than {self._seconds:g} s and was given up; it may have been done. "
            "Ask again, with the same id if it has one."
        )
        await error_response(Request(scope), HTTPStatus.GATEWAY_TIMEOUT, message)(scope, receive, send)
