"""Rows on their way: what a piece of a table is, its checksum, and why a row is not taken. Pure.

The checksum of a range of rows, the same for both databases: the rows in the order of their key, in chunks
of 32, each chunk in MessagePack as an array of arrays, and SHA-256 over these chunks. The checksum of a
table is SHA-256 over the checksums of its ranges, in order.
Source: https://github.com/msgpack/msgpack/blob/master/spec.md
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from wireroom.store.moving.tables import Column, Kind, Table, quoted

Row = tuple[Any, ...]
Key = tuple[Any, ...]

CHUNK_ROWS = 32
PIECE_BYTES = 2 * 1024 * 1024
"""How much of a table is read, written and recorded at once."""
MOST_BYTES = 4 * PIECE_BYTES
"""To what a range may grow before it is cut anew."""

_pack = msgspec.msgpack.Encoder().encode


class Chunk(NamedTuple):
    """Rows that are read and summed together, at most `CHUNK_ROWS`."""

    rows: list[Row]
    packed: bytes


def chunk_of(rows: list[Row]) -> Chunk:
    """Return rows with what is summed and measured of them."""
    return Chunk(rows, _pack(rows))


class Range(NamedTuple):
    """A part of a table that was copied: the rows above the range before it, up to `high`."""

    high: Key
    rows: int
    digest: str | None
    """None: its rows are to be copied again."""


@dataclass(slots=True)
class Piece:
    """Rows in the order of their key, with their checksum."""

    rows: list[Row] = field(default_factory=list)
    size: int = 0
    digest: str = ""
    ends: bool = False
    """There are no more rows in the range that was asked for."""


def take_piece(chunks: Iterator[Chunk], limit: int) -> Piece:
    """Return the rows up to a number of bytes, and at most a chunk more."""
    piece, digest = Piece(), hashlib.sha256()
    for chunk in chunks:
        piece.rows += chunk.rows
        piece.size += len(chunk.packed)
        digest.update(chunk.packed)
        if piece.size >= limit:
            break
    else:
        piece.ends = True
    piece.digest = digest.hexdigest()
    return piece


def digest_of(chunks: Iterator[Chunk]) -> tuple[int, str]:
    """Return how many rows there are, and their checksum."""
    rows, digest = 0, hashlib.sha256()
    for chunk in chunks:
        rows += len(chunk.rows)
        digest.update(chunk.packed)
    return rows, digest.hexdigest()


def digest_of_table(ranges: Sequence[Range]) -> str:
    """Return the checksum of a table from those of its ranges."""
    return hashlib.sha256("".join(one.digest or "" for one in ranges).encode()).hexdigest()


def key_of(table: Table, row: Row) -> Key:
    """Return a row's key."""
    names = table.names()
    return tuple(row[names.index(column)] for column in table.key)


def write_key(key: Key) -> str:
    """Return a key as it is stored: JSON, such as `["run-1",17]`."""
    return json.dumps(key, ensure_ascii=False, separators=(",", ":"))


def read_key(text: str) -> Key:
    """Return a stored key."""
    return tuple(json.loads(text))


_TYPES: dict[Kind, set[type]] = {
    Kind.INTEGER: {int, type(None)},
    Kind.NUMBER: {float, type(None)},
    Kind.TEXT: {str, type(None)},
    Kind.BYTES: {bytes, type(None)},
}


def wrong_types(table: Table, rows: Sequence[Row]) -> str | None:
    """Return why one of the rows is not taken, None when each value is of its column's kind.

    SQLite lets a program put text where a column says number; PostgreSQL does not.
    """
    for column, values in zip(table.columns, zip(*rows, strict=True), strict=False):
        if not set(map(type, values)) <= _TYPES[column.kind]:
            wrong = next(row for row, value in enumerate(values) if type(value) not in _TYPES[column.kind])
            found = type(values[wrong]).__name__
            return _told(table, rows[wrong], column.name, f"holds a {found} in a column of {column.kind}")
    return None


def unfit_value(table: Table, rows: Sequence[Row]) -> str:
    """Return which row PostgreSQL refuses, and how to mend it."""
    for row in rows:
        for column, value in zip(table.columns, row, strict=True):
            if isinstance(value, str) and "\0" in value:
                why = f"has the character NUL, which PostgreSQL refuses; {_without_nul(table, column)}"
                return _told(table, row, column.name, f"{why} takes one out of each row")
            if column.kind is Kind.INTEGER and isinstance(value, int) and not -(2**31) <= value < 2**31:
                return _told(table, row, column.name, f"is {value}, which is too large for the column there")
    return f"A row of table {table.name} was refused"


def _without_nul(table: Table, column: Column) -> str:
    """Return what takes NUL out of text; SQLite's own `replace` does not see it."""
    name = quoted(column.name)
    octets = f"CAST({name} AS BLOB)"
    at = f"instr({octets}, x'00')"
    rest = f"substr({octets}, 1, {at} - 1) || substr({octets}, {at} + 1)"
    return f"UPDATE {quoted(table.name)} SET {name} = CAST({rest} AS TEXT) WHERE {at};"


def _told(table: Table, row: Row, column: str, why: str) -> str:
    return f"Table {table.name}, row {write_key(key_of(table, row))}: {column} {why}"
