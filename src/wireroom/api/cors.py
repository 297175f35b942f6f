"""Lets one other page call the API: the one that FRONTEND_URL names, and no other.

The older runner answered four local origins besides, which lets any program on a person's machine that serves
a page act in their name; those are gone.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALLOWED = {
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Authorization, If-Match, If-None-Match, Last-Event-ID",
    "Access-Control-Expose-Headers": "ETag, Link, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Total-Count",
}


def origin_of(url: str) -> str:
    """Return the setting as browsers send origins: no path, no slash at the end. Pure."""
    return "/".join(url.strip().split("/")[:3])


class CrossOrigin:
    """Answers OPTIONS, and marks the answers that the other page may read."""

    def __init__(self, app: ASGIApp, frontend_url: str) -> None:
        """Serve `app`; an empty address lets no other page in."""
        self._app = app
        self._origin = origin_of(frontend_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = self._marking(Headers(scope=scope).get("origin"), send)
        if scope["method"] == "OPTIONS":
            await PlainTextResponse("OK")(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)

    def _marking(self, origin: str | None, send: Send) -> Send:
        if not self._origin:
            return send

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Origin")
                if origin == self._origin:
                    headers["Access-Control-Allow-Origin"] = self._origin
                    headers.update(_ALLOWED)
            await send(message)

        return marked
