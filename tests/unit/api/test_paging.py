"""Lists in pieces."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from wireroom.api.paging import (
    MOST_CURSOR_CHARS,
    Piece,
    cursor_of,
    next_link,
    older_piece,
    piece_of,
    read_cursor,
)
from wireroom.errors import BadInput

NUMBERS = st.integers(min_value=-(2**53), max_value=2**53)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100)


@dataclass
class Item:
    """Something in a list."""

    at: int
    id: str


ITEMS = [Item(number, f"i{number}") for number in range(5)]


@given(NUMBERS, TEXTS)
def test_cursor_is_read_as_it_was_made(number: int, text: str) -> None:
    """Whatever a list is ordered by comes back, and fits into an address as it is."""
    cursor = cursor_of((number, text))
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert read_cursor(cursor, int, str) == (number, text)


def encoded(text: str) -> str:
    """Return the text as a cursor would hold it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "äö",
        "!!!!",
        "A" * MOST_CURSOR_CHARS,
        encoded("null"),
        encoded("7"),
        encoded("{}"),
        encoded("[]"),
        encoded("[1]"),
        encoded('["a", 1]'),
        encoded('[1, "a", 1]'),
        encoded('[true, "a"]'),
        encoded('[1.5, "a"]'),
        encoded('[9007199254740993, "a"]'),
        encoded('[1e400, "a"]'),
        encoded('[1, "\\u0000"]'),
        encoded(f'[1, "{"a" * 401}"]'),
        encoded("[" * 300),
        encoded('[1, "a"'),
        base64.urlsafe_b64encode(b"\xff\xfe\xff").decode(),
    ],
)
def test_nonsense_is_refused(cursor: str) -> None:
    """A cursor that no page of this list has named is the caller's mistake."""
    with pytest.raises(BadInput):
        read_cursor(cursor, int, str)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    """Anything at all is a place or a refusal."""
    try:
        place = read_cursor(text, int, str)
    except BadInput:
        return
    assert [type(value) for value in place] == [int, str]


def test_one_more_item_than_is_shown_tells_that_there_are_more() -> None:
    """The next cursor is the place of the last item shown, and there is none after the last page."""
    piece = piece_of(2, 2, None, int, str)
    assert (piece.limit, piece.offset, piece.after) == (3, 2, None)
    found = piece.cut(ITEMS[2:5])
    assert found.items == ITEMS[2:4]
    assert read_cursor(found.cursor("at", "id"), int, str) == (3, "i3")
    assert piece.cut(ITEMS[3:5]).cursor("at", "id") is None


def test_cursor_goes_before_the_page_number() -> None:
    """Who sends both is led by the cursor."""
    assert piece_of(9, 2, cursor_of((3, "i3")), int, str) == Piece(2, 0, (3, "i3"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ((500, 0, None, None, None), Piece(500, 0, None)),
        ((10, 30, None, None, None), Piece(10, 30, None)),
        ((500, 0, 3, 20, None), Piece(20, 40, None)),
        ((500, 0, 3, None, None), Piece(500, 1000, None)),
        ((500, 7, None, 20, (1, "a")), Piece(20, 0, (1, "a"))),
    ],
)
def test_older_lists_know_both_ways(
    asked: tuple[int, int, int | None, int | None, object], expected: Piece
) -> None:
    """`limit` and `offset`, `page` and `per_page`, and a cursor, which goes before both."""
    assert older_piece(*asked) == expected


def test_link_keeps_what_was_asked() -> None:
    """The next page is asked for with the same filters, without the place of this one."""
    request = Request(
        {"type": "http", "query_string": b"queueType=a%26b&page=2&cursor=old&limit=5", "headers": []}
    )
    assert next_link(request, "abc") == {"Link": '<?queueType=a%26b&limit=5&cursor=abc>; rel="next"'}
    assert next_link(request, None) == {}
