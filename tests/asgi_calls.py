"""Calls an ASGI application in the test's own task, as a server would."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp


@dataclass(frozen=True, slots=True)
class Answered:
    """What an application answered."""

    status: int
    headers: Headers
    body: bytes
    pieces: int
    """Messages that the body came in."""


async def call(
    app: ASGIApp,
    path: str = "/",
    *,
    method: str = "GET",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    client: str = "127.0.0.1",
) -> Answered:
    """Call the application once, with an empty body, and return the whole answer."""
    sent: list[Any] = []
    coming = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not coming:
            await asyncio.Event().wait()  # the caller stays
        return coming.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        "client": (client, 50_000),
        "server": ("localhost", 80),
    }
    await app(scope, receive, send)
    start, *pieces = sent
    body = b"".join(piece.get("body", b"") for piece in pieces)
    return Answered(start["status"], Headers(raw=start["headers"]), body, len(pieces))
