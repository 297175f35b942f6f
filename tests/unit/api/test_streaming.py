"""Whole lists as lines: read piece by piece, and no faster than the reader takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.streaming import NDJSON, PIECE, wants_lines, whole_list


class Shelf:
    """Numbers from 1, as a database holds them; knows what was asked of it."""

    dialect = "sqlite"

    def __init__(self, size: int) -> None:
        self.size = size
        self.asked: list[tuple[int | None, int]] = []

    async def read(self, unit: Any) -> Any:
        """Run the unit; no connection is looked at."""
        return unit(None)

    def after(self, _conn: Connection, place: int | None, most: int) -> Sequence[int]:
        """Return at most so many numbers after one."""
        self.asked.append((place, most))
        first = (place or 0) + 1
        return range(first, min(first + most, self.size + 1))


def lines_of(shelf: Any) -> Any:
    """Return the pieces that would be sent."""
    return whole_list(shelf, shelf.after, lambda number: number, lambda number: b"%d" % number).body_iterator


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
async def test_every_item_is_one_line(size: int) -> None:
    """However many there are, also when the last piece is just full, or there are none."""
    sent = b"".join([piece async for piece in lines_of(Shelf(size))])
    assert sent.split() == [b"%d" % number for number in range(1, size + 1)]
    assert sent.count(b"\n") == size


async def test_piece_is_read_when_the_one_before_was_taken() -> None:
    """So a slow reader costs one piece of memory, and one who leaves ends the reading."""
    shelf = Shelf(10 * PIECE)
    pieces = lines_of(shelf)
    await anext(pieces)
    assert shelf.asked == [(None, PIECE)]
    await anext(pieces)
    assert shelf.asked[1:] == [(PIECE, PIECE)]
    await pieces.aclose()
    assert len(shelf.asked) == 2


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        (NDJSON, True),
        ("application/json;q=0.5, Application/X-NDJSON ; q=1", True),
        ("application/x-ndjson-like", False),
    ],
)
def test_lines_are_sent_to_who_names_them(accept: str, expected: bool) -> None:
    """Anything else gets a page."""
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})
    assert wants_lines(request) is expected
