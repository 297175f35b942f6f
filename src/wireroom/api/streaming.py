"""Whole lists, however long, as lines of JSON: read piece by piece, so that memory stays flat.

    GET /api/runs
    Accept: application/x-ndjson

Each piece is a read of its own that goes on where the last one ended, so no snapshot is held while a slow
reader takes its time; what is added meanwhile comes or not, what was there comes once. An answer that breaks
off in the middle has failed: its connection is closed without the end of the body.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Send

from wireroom.store.database import Database

T = TypeVar("T")
NDJSON = "application/x-ndjson"
DESCRIBED: dict[int | str, dict[str, Any]] = {200: {"content": {NDJSON: {}}}}
"""How OpenAPI tells of it."""
PIECE = 200
"""Items that are in memory at a time."""
ReadAfter = Callable[[Connection, Any, int], Sequence[T]]
"""Returns at most so many items after a place in the list's order, None for its beginning."""


def wants_lines(request: Request) -> bool:
    """Tell whether the caller asks for lines of JSON."""
    accepted = request.headers.get("accept", "")
    return any(part.partition(";")[0].strip().lower() == NDJSON for part in accepted.split(","))


class Lines(StreamingResponse):
    """Sends lines as they are read, and closes their source however the reader leaves."""

    media_type = NDJSON

    def __init__(self, lines: AsyncGenerator[bytes, None]) -> None:
        super().__init__(lines, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._lines = lines

    async def stream_response(self, send: Send) -> None:
        """Send until the lines end or the reader goes."""
        async with aclosing(self._lines):
            await super().stream_response(send)


def whole_list(
    db: Database,
    read: ReadAfter[T],
    place_of: Callable[[T], Any],
    encode: Callable[[T], bytes],
) -> Lines:
    """Return the answer that holds the whole list.

    Args:
        db: Where it is.
        read: Reads a piece.
        place_of: Where an item stands in the list's order.
        encode: Makes an item JSON; called on the reader's thread where there is one.
    """
    return Lines(_pieces(db, read, place_of, encode))


async def _pieces(
    db: Database, read: ReadAfter[T], place_of: Callable[[T], Any], encode: Callable[[T], bytes]
) -> AsyncGenerator[bytes, None]:
    after: Any = None

    def piece(conn: Connection) -> tuple[bytes, Any, bool]:
        found = read(conn, after, PIECE)
        lines = b"".join(encode(item) + b"\n" for item in found)
        return lines, place_of(found[-1]) if found else None, len(found) == PIECE

    more = True
    while more:
        lines, after, more = await db.read(piece)
        if lines:
            yield lines
