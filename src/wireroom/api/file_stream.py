"""A file as an answer, read and sent piece by piece: memory stays flat, whatever its size."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Pieces(Protocol):
    """What is sent; see `workspaces.open_file`."""

    name: str
    size_bytes: int

    def piece(self, offset: int) -> bytes:
        """Return what stands at the offset, empty at the end. Blocking."""

    def close(self) -> None:
        """Give it back."""


class FileStream(Response):
    """Sends the file and closes it, also when the caller leaves before the end."""

    def __init__(self, file: Pieces) -> None:
        """Send this file as a download that no browser opens by itself."""
        super().__init__(
            status_code=HTTPStatus.OK, headers=_headers(file), media_type="application/octet-stream"
        )
        self.headers["Content-Length"] = str(file.size_bytes)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope
        gone = asyncio.create_task(_until_gone(receive), name="caller leaves")
        try:
            await send(
                {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            )
            await self._send_pieces(send, gone)
        finally:
            gone.cancel()
            self._file.close()

    async def _send_pieces(self, send: Send, gone: asyncio.Task[None]) -> None:
        """Send until the end; a file that became shorter breaks the connection, as it must."""
        sent = 0
        while sent < self._file.size_bytes and not gone.done():
            piece = await asyncio.to_thread(self._file.piece, sent)
            if not piece:
                break
            sent += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(file: Pieces) -> Mapping[str, str]:
    return {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(file.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
