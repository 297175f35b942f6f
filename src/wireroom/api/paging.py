"""Lists in pieces: by page number with totals, or from a cursor on, which nothing that is added can shift.

A cursor is the place of the last item in the list's order, made opaque: programs hand it back, no more. It is
no secret and is checked like everything else that comes in. Pure.
"""

from __future__ import annotations

import base64
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
from fastapi import Query
from starlette.requests import Request

from wireroom.api.requests import LARGEST
from wireroom.errors import BadInput

T = TypeVar("T")
Place = tuple[int | str, ...]
"""Where an item stands in its list: the values that the list is ordered by."""

MOST_CURSOR_CHARS = 600
_MOST_TEXT_CHARS = 400
_NOT_OURS = "cursor must be what an earlier page of the same list named as the next one."

AnyPage = Annotated[int | None, Query(ge=1, le=1_000_000, description="1 for the first.")]
AnyPerPage = Annotated[int | None, Query(ge=1, le=1000, description="Items a page, instead of `limit`.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=MOST_CURSOR_CHARS,
        description="Where to go on, as the page before named it; `page` does not count then.",
    ),
]


@dataclass(frozen=True, slots=True)
class Piece:
    """Which piece of a list is wanted."""

    size: int
    offset: int
    after: Any
    """A `Place`, None for a piece by its number."""

    @property
    def limit(self) -> int:
        """How many to read: one more than is shown tells whether more follow."""
        return self.size + 1

    def cut(self, found: Sequence[T]) -> Found[T]:
        """Return what is shown of what was read."""
        return Found(found[: self.size], len(found) > self.size)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a piece shows."""

    items: Sequence[T]
    more: bool
    """Others follow."""

    def cursor(self, *place: str) -> str | None:
        """Return the cursor of the next piece, None after the last; `place` names the items' attributes."""
        if not self.more:
            return None
        return cursor_of(tuple(getattr(self.items[-1], name) for name in place))


def piece_of(page: int, per_page: int, cursor: str | None, *kinds: type[int | str]) -> Piece:
    """Return the piece that is wanted; a cursor's values must be of these kinds.

    Raises:
        BadInput: the cursor is none of this list.
    """
    after = read_cursor(cursor, *kinds)
    return Piece(per_page, 0 if after is not None else (page - 1) * per_page, after)


def older_piece(limit: int, offset: int, page: int | None, per_page: int | None, after: Any) -> Piece:
    """Return the piece that is wanted of a list that older callers ask for by `limit` and `offset`."""
    size = per_page or limit
    if after is not None:
        return Piece(size, 0, after)
    return Piece(size, (page - 1) * size if page else offset, None)


def cursor_of(place: Place) -> str:
    """Return the place as programs hand it back: letters, digits, `-` and `_`."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(text: str | None, *kinds: type[int | str]) -> Any:
    """Return the place that a cursor stands for, None for no cursor.

    Raises:
        BadInput: it is none of a list that is ordered by values of these kinds.
    """
    if text is None:
        return None
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        values = msgspec.json.decode(raw)
    except (Base64Error, ValueError, RecursionError) as error:
        raise BadInput(_NOT_OURS) from error
    if not isinstance(values, list) or [type(value) for value in values] != list(kinds):
        raise BadInput(_NOT_OURS)
    if not all(_is_sound(value) for value in values):
        raise BadInput(_NOT_OURS)
    return tuple(values)


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """Return the header that names the next piece, for bodies that cannot; empty after the last.

    `Link: <?limit=50&cursor=…>; rel="next"`. Source: RFC 8288, section 3.
    """
    if cursor is None:
        return {}
    kept = [
        (name, value)
        for name, value in request.query_params.multi_items()
        if name not in {"cursor", "page", "offset"}
    ]
    return {"Link": f'<?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}


def _is_sound(value: int | str) -> bool:
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    return len(value) <= _MOST_TEXT_CHARS and "\0" not in value
