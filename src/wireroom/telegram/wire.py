"""Bytes in and out for `telegram.client`: bodies that know whether they left, replies with a bound."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload

from wireroom.telegram.encoding import Encoded
from wireroom.telegram.errors import TooLong

MAX_REPLY_BYTES = 16 * 1024 * 1024
"""A full `getUpdates` reply is well under 1 MB."""

CHUNK_BYTES = 256 * 1024


class WatchedBody(Payload):
    """A request body that remembers whether its first byte was handed to a connection.

    The server cannot have acted on a request whose body was never begun, whatever error followed.
    """

    _value: bytes

    def __init__(self, value: bytes, content_type: str) -> None:
        """Take the whole body; it is written in pieces, so that a large one does not hold the event loop."""
        super().__init__(value, content_type=content_type)
        self._size = len(value)
        self.begun = False

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the body as text."""
        return self._value.decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the body; from the first line on the request may have been acted on."""
        self.begun = True
        view = memoryview(self._value)
        for start in range(0, len(view), CHUNK_BYTES):
            await writer.write(view[start : start + CHUNK_BYTES])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write the body; its length is always the one announced."""
        assert content_length is None or content_length == self._size  # noqa: S101 - an invariant of ours
        await self.write(writer)


class WatchedForm(aiohttp.MultipartWriter):
    """As `WatchedBody`, for a form whose file is read from the disk while it is sent; close it."""

    def __init__(self) -> None:
        """Begin an empty form."""
        super().__init__("form-data")
        self.begun = False

    async def write(self, writer: AbstractStreamWriter, close_boundary: bool = True) -> None:
        """Write the form; from the first line on the request may have been acted on."""
        self.begun = True
        await super().write(writer, close_boundary)


async def request_body(request: Encoded) -> WatchedBody | WatchedForm:
    """Return JSON, or a multipart form when the request uploads a file.

    Raises:
        OSError: the file to upload cannot be read.
    """
    upload = request.upload
    if upload is None:
        return WatchedBody(msgspec.json.encode(request.fields), "application/json")
    form = WatchedForm()
    for name, value in request.fields.items():
        form.append(_form_text(value)).set_content_disposition("form-data", name=name)
    content = await asyncio.to_thread(Path(upload.path).open, "rb") if upload.path else upload.content
    part = form.append(content, {"Content-Type": upload.content_type})
    part.set_content_disposition("form-data", name=request.upload_field, filename=upload.file_name)
    return form if upload.path else WatchedBody(await form.as_bytes(), form.content_type)


def _form_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


async def read_bounded(response: aiohttp.ClientResponse) -> bytes:
    """Return the reply's body.

    Raises:
        aiohttp.ClientPayloadError: it broke off, or is larger than `MAX_REPLY_BYTES`.
    """
    pieces = bytearray()
    async for piece in response.content.iter_any():
        pieces += piece
        if len(pieces) > MAX_REPLY_BYTES:
            raise aiohttp.ClientPayloadError("the reply is too large")
    return bytes(pieces)


def retry_after_seconds(response: aiohttp.ClientResponse) -> float | None:
    """Return the Retry-After header in seconds, None when it is absent or a date."""
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None


async def save(response: aiohttp.ClientResponse, path: Path, max_bytes: int) -> int:
    """Stream the body into the file and return its size in bytes.

    Raises:
        TooLong: it is larger than `max_bytes`.
    """
    size = 0
    handle = await asyncio.to_thread(path.open, "wb")
    try:
        async for piece in response.content.iter_chunked(CHUNK_BYTES):
            size += len(piece)
            if size > max_bytes:
                raise TooLong("download", f"the file is larger than {max_bytes} bytes")
            await asyncio.to_thread(handle.write, piece)
    finally:
        await asyncio.to_thread(handle.close)
    return size
