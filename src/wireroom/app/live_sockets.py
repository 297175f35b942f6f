"""uvicorn's WebSockets, with the two ends that they lack: a refusal that is no error, and a sure end."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_SECONDS = 5.0


class LiveSockets(WebSocketsSansIOProtocol):
    """One connection that asked to be a WebSocket."""

    async def send(self, message: Any) -> None:
        """Send what the app says."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # Answered by a refusal: uvicorn 0.54 would log an error for each, as strangers please.
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Serve the connection, then see that it ends.

        A close waits until the other side has taken what was written: one that takes nothing would keep the
        connection and its buffer for good.
        """
        await super().run_asgi()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
