"""Calls the application's own routes inside this process, without a connection.

The call goes through the very application that serves the routes, so what is asked here is checked, audited
and answered as if it had come from outside. No socket is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope


@dataclass(frozen=True, slots=True)
class InnerAnswer:
    """What a route answered."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


async def call_inside(
    app: ASGIApp, method: str, path: str, *, secret: str, query: str = "", body: bytes = b""
) -> InnerAnswer:
    """Call a route as a program that has the installation's secret; its answer is returned as a whole.

    Args:
        app: The application.
        method: GET, POST, PUT or DELETE.
        path: As it stands in an address, names quoted.
        secret: The installation's.
        query: As it stands in an address, without the question mark.
        body: JSON; empty for none.
    """
    exchange = _Exchange(body)
    await app(_scope(method, path, query, secret, len(body)), exchange.receive, exchange.send)
    return exchange.answer()


class _Exchange:
    """One request and its answer, in memory."""

    def __init__(self, body: bytes) -> None:
        self._incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._status = 500
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._over = asyncio.Event()

    async def receive(self) -> Message:
        """Give the request, then wait for the end: the caller leaves by being cancelled."""
        if self._incoming:
            return self._incoming.pop()
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a piece of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            self._over.set()

    def answer(self) -> InnerAnswer:
        """Return the whole answer."""
        return InnerAnswer(self._status, self._headers, bytes(self._body))


def _scope(method: str, path: str, query: str, secret: str, length: int) -> Scope:
    headers = {"host": "localhost", "x-webhook-secret": secret}
    if length:
        headers |= {"content-type": "application/json", "content-length": str(length)}
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
