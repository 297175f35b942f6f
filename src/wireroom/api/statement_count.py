"""Watches the statements of each request; when debugging, the answer says how many there were."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

import wireroom.perf.sql_metrics  # noqa: F401 - to import it is what puts the figures on /metrics
from wireroom.perf.endpoints import route_of
from wireroom.perf.sql_scope import Scope as Watched

HEADER = b"x-wireroom-statements"


class StatementCount:
    """Passes every request on, as one piece of work that the database is used for."""

    def __init__(self, app: ASGIApp, *, tells: bool) -> None:
        """Serve `app`; `tells` has each answer carry the number of its statements."""
        self._app = app
        self._tells = tells

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with Watched("request", "") as watched:

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    number = str(watched.statements).encode()
                    message["headers"] = [*message.get("headers", ()), (HEADER, number)]
                await send(message)

            try:
                await self._app(scope, receive, telling if self._tells else send)
            finally:
                watched.name = route_of(scope)
