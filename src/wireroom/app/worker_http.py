"""The small HTTP surface of a process that works: probes, figures, and the doors of its agents."""

from __future__ import annotations

import contextlib

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wireroom.api.callback_inbox import CallbackInbox
from wireroom.api.health import Route as Handler
from wireroom.api.health import health
from wireroom.mcp.door import PATH as TOOLS_PATH
from wireroom.perf.endpoints import ENDPOINTS, Metered


def build_worker_http(inbox: CallbackInbox, tools: ASGIApp, *, ready: Handler, metrics: Handler) -> ASGIApp:
    """Return the surface as one ASGI application.

    A runner elsewhere reports to the process that gave it the work, so callbacks are taken here as well.

    Args:
        inbox: Takes callbacks.
        tools: The server of tools for coding agents, with its own guard.
        ready: See `api.health`.
        metrics: See `api.health`.
    """
    routes = [
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        Route(TOOLS_PATH, tools, methods=["POST"]),
        *inbox.routes(),
    ]
    return Metered(Patient(Starlette(routes=routes)), ENDPOINTS)


class Patient:
    """Answers a caller who left in the middle of the body with nothing."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        with contextlib.suppress(ClientDisconnect):
            await self._app(scope, receive, send)
