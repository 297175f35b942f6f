"""The listening socket, and uvicorn on it without its own ideas about signals and logging."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from wireroom.app.live_sockets import LiveSockets
from wireroom.errors import SettingsError

_MAX_SAID_BYTES = 4096
"""Of one message of a WebSocket's subscriber, who has nothing to say."""


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket, so that the port is known before anything is printed.

    Raises:
        SettingsError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named, or asyncio does not know it for TCP and leaves Nagle on: 40 ms for each answer in two writes.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SettingsError(f"HOST, PORT: cannot listen on {host}:{port} ({error.strerror}).") from error
    listener.listen(2048)
    listener.setblocking(False)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return the address that people open on this machine, such as `http://127.0.0.1:8480`."""
    host, port = listener.getsockname()[:2]
    shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


class WebServer:
    """uvicorn without its own ideas about signals and logging."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        """Serve the app on a socket that `bind` returned."""
        config = uvicorn.Config(
            app,
            log_config=None,
            # Below that it names addresses with their queries, where callers may have put a secret.
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="off",
            proxy_headers=False,
            date_header=False,
            timeout_graceful_shutdown=3,
            timeout_keep_alive=30,
            ws=LiveSockets,
            ws_max_size=_MAX_SAID_BYTES,
            ws_max_queue=4,
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
            # An answer is said once; to compress it for each subscriber costs more than it saves.
            ws_per_message_deflate=False,
        )
        self._server = _Server(config)
        self._listener = listener

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._listener])

    def stop(self) -> None:
        """Take no more connections, finish the requests under way."""
        self._server.should_exit = True


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the service."""
        yield
