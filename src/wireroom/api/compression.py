"""Compresses answers as the caller can read them: zstd before brotli before gzip.

What is sent as it comes (server-sent events) is left alone, since a compressor would hold it back; so are
answers of less than a packet. The hot routes and calls from inside do not pass here at all.
"""

from __future__ import annotations

from starlette.types import ASGIApp
from starlette_compress import CompressMiddleware, add_compress_type, remove_compress_type

SMALLEST_BYTES = 1024
_GZIP_LEVEL = _BROTLI_QUALITY = _ZSTD_LEVEL = 3
"""Within 10 % of the size of the usual levels, in half of their time, which is the event loop's."""

add_compress_type("application/x-ndjson")
remove_compress_type("text/event-stream")


def compressing(app: ASGIApp) -> ASGIApp:
    """Return the app with compressed answers."""
    return CompressMiddleware(
        app,
        minimum_size=SMALLEST_BYTES,
        zstd_level=_ZSTD_LEVEL,
        brotli_quality=_BROTLI_QUALITY,
        gzip_level=_GZIP_LEVEL,
    )
