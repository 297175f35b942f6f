"""Compresses answers as the caller can read them: zstd before brotli before gzip.

What is sent as it comes (server-sent events) is left alone, since each event would cost more than it saves;
so are answers of less than a packet. The hot routes and calls from inside do not pass here at all.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

SMALLEST_BYTES = 1024

add_compress_type("application/x-ndjson")
remove_compress_type("text/event-stream")


def compressing(app: ASGIApp) -> ASGIApp:
    """Return the app with compressed answers to GET; what others are told is short."""
    compressed = CompressMiddleware(app, minimum_size=SMALLEST_BYTES)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_read = scope["type"] == "http" and scope["method"] == "GET"
        await (compressed if is_read else app)(scope, receive, send)

    return serve
