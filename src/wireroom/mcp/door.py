"""`POST /mcp`: the tools over streamable HTTP, each request by itself; nothing is kept between two.

The SDK is imported with the first request, off the event loop: most installations never need it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import importlib
from typing import TYPE_CHECKING

import structlog
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from wireroom.mcp.spec import RouteCalls

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

PATH = "/mcp"
MAX_BODY_BYTES = 1024 * 1024
_START_SECONDS = 30.0
_PAUSE_SECONDS = 1.0
_log = structlog.get_logger(__name__)


def token_for_agents(api_secret: str) -> str:
    """Return the token that opens these tools and nothing else: what agents are given. Pure.

    token = HMAC-SHA256(api_secret, "wireroom mcp"), hex
    """
    return hmac.new(api_secret.encode(), b"wireroom mcp", hashlib.sha256).hexdigest()


class McpDoor:
    """Serves MCP requests for as long as `run` runs; who may come in is decided before."""

    def __init__(self, calls: RouteCalls) -> None:
        """Answer through these routes."""
        self._calls = calls
        self._wanted = asyncio.Event()
        self._started = asyncio.Event()
        self._manager: StreamableHTTPSessionManager | None = None

    async def run(self) -> None:
        """Wait for the first request, then serve, until cancelled."""
        await self._wanted.wait()
        while True:
            try:
                await self._serve_until_it_fails()
            except Exception:  # noqa: BLE001 - the top of a task that must not end
                _log.exception("mcp_server_failed")
                await asyncio.sleep(_PAUSE_SECONDS)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; 503 while the server is not there."""
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._started.wait()
        if self._manager is None:
            said = {"success": False, "error": "The server of tools is not there yet; try again."}
            await JSONResponse(said, 503, {"Retry-After": "2"})(scope, receive, send)
            return
        await self._manager.handle_request(scope, receive, send)

    async def _serve_until_it_fails(self) -> None:
        manager = await asyncio.to_thread(self._make_manager)
        async with manager.run():
            self._manager = manager
            self._started.set()
            try:
                await asyncio.Event().wait()
            finally:
                self._started.clear()
                self._manager = None

    def _make_manager(self) -> StreamableHTTPSessionManager:
        # By name: the import is the slow part, and it is what this thread is for.
        server = importlib.import_module("wireroom.mcp.server")
        transport = importlib.import_module("mcp.server.streamable_http_manager")
        manager: StreamableHTTPSessionManager = transport.StreamableHTTPSessionManager(
            server.make_server(self._calls),
            json_response=True,
            stateless=True,
            max_request_body_size=MAX_BODY_BYTES,
        )
        return manager
