"""Refuses addresses with the one character that no id, lane or path can have: NUL.

PostgreSQL stores no text with it and takes none to look for, so it would be an error of ours in every route
that reads an id from its address.
"""

from __future__ import annotations

from http import HTTPStatus

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from wireroom.api.errors import error_response

_POLICY_VIOLATION = 1008


class PlainAddresses:
    """Answers 400 to an address with NUL; closes such a WebSocket before it is open."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve every other address by this app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if "\0" not in scope["path"] and b"%00" not in scope["query_string"]:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(_POLICY_VIOLATION)(scope, receive, send)
        else:
            refusal = error_response(Request(scope), HTTPStatus.BAD_REQUEST, "The address has a NUL in it.")
            await refusal(scope, receive, send)
