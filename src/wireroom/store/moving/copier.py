"""Brings a target's tables to what the source has, range by range; the same again finishes what was begun.

A range is a part of a table between two keys. Its checksum is recorded with its rows in one transaction of
the target, so that whatever is killed leaves whole ranges. A pass reads the source in order and writes the
ranges whose checksum is another, which finds what any program has added, changed or removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wireroom.errors import BadInput
from wireroom.store.moving.rows import (
    MOST_BYTES,
    PIECE_BYTES,
    Key,
    Piece,
    Range,
    digest_of,
    digest_of_table,
    key_of,
    take_piece,
    wrong_types,
)
from wireroom.store.moving.side import Clash, Side
from wireroom.store.moving.tables import Table


class Teller(Protocol):
    """Who is told how far a move is."""

    def say(self, text: str) -> None:
        """Tell a sentence."""
        ...

    def read(self, table: str, rows: int, size: int) -> None:
        """Tell that so many rows, of so many bytes, have been read and are there now."""
        ...


@dataclass(slots=True)
class Pass:
    """What one pass over tables has met."""

    rows: int = 0
    """Rows that were read."""
    size: int = 0
    """Their bytes."""
    written: int = 0
    """Bytes of the ranges that were written."""
    left: int = 0
    """Ranges whose rows clash with some that are yet to change: the next pass brings them."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A table on both sides."""

    table: str
    source_rows: int
    target_rows: int
    source_digest: str
    target_digest: str

    @property
    def is_equal(self) -> bool:
        """True when both have the same rows."""
        return (self.source_rows, self.source_digest) == (self.target_rows, self.target_digest)


@dataclass(slots=True)
class Copier:
    """Copies tables from one side to another."""

    source: Side
    target: Side
    teller: Teller

    def pass_over(self, tables: Sequence[Table]) -> Pass:
        """Read the tables once, and bring to the target what differs."""
        done = Pass()
        for table in tables:
            low: Key | None = None
            for known in self.target.ranges(table):
                self._follow(table, low, known, done)
                low = known.high
            self._read_on(table, low, None, done)
        return done

    def drop_damaged(self, tables: Sequence[Table]) -> int:
        """Read the target, and have every range copied again that is not what was recorded.

        Returns:
            How many these are; 0 when the target holds what the source was read to hold.
        """
        damaged = 0
        for table in tables:
            low: Key | None = None
            for known in self.target.ranges(table):
                if known.digest is not None and self._in_target(table, low, known.high) != known:
                    damaged += 1
                    with self.target.transaction():
                        self.target.record(table, known._replace(digest=None))
                low = known.high
        return damaged

    def sums(self, tables: Sequence[Table]) -> list[Sum]:
        """Return what each table is on both sides, right after a pass over a source that nobody changed.

        That pass has read the source: each record is its range's checksum. The target is read now.
        """
        return [self._sum(table) for table in tables]

    def _sum(self, table: Table) -> Sum:
        known = self.target.ranges(table)
        there: list[Range] = []
        low: Key | None = None
        for one in known:
            there.append(self._in_target(table, low, one.high))
            low = one.high
        return Sum(
            table.name,
            self.source.count(table),
            self.target.count(table),
            digest_of_table(known),
            digest_of_table(there),
        )

    def _in_target(self, table: Table, low: Key | None, high: Key) -> Range:
        return Range(high, *digest_of(self.target.chunks(table, low, high)))

    def _follow(self, table: Table, low: Key | None, known: Range, done: Pass) -> None:
        """Bring a range that was copied before to what the source has there now."""
        piece = take_piece(self.source.chunks(table, low, known.high), MOST_BYTES)
        if not piece.ends:
            self._forget(table, low, known)
            self._read_on(table, low, known.high, done)
            return
        self._count(table, piece, done)
        if piece.digest != known.digest:
            self._write(
                table, low, Range(known.high, len(piece.rows), piece.digest), piece, done, was=known.high
            )

    def _read_on(self, table: Table, low: Key | None, high: Key | None, done: Pass) -> None:
        """Copy, in pieces, rows that are not there."""
        while True:
            piece = take_piece(self.source.chunks(table, low, high), PIECE_BYTES)
            self._count(table, piece, done)
            at_end = piece.ends and high is not None
            if not piece.rows and not at_end:
                return
            top = high if at_end and high is not None else key_of(table, piece.rows[-1])
            self._write(table, low, Range(top, len(piece.rows), piece.digest), piece, done, was=None)
            if piece.ends:
                return
            low = top

    def _forget(self, table: Table, low: Key | None, known: Range) -> None:
        """Empty a range that has grown out of its size, before it is cut anew."""
        with self.target.transaction():
            self.target.replace(table, low, known.high, ())
            self.target.record(table, Range(known.high, 0, None))

    def _write(
        self, table: Table, low: Key | None, new: Range, piece: Piece, done: Pass, *, was: Key | None
    ) -> None:
        """Write a range and its record; when it clashes, empty it until the next pass."""
        wrong = wrong_types(table, piece.rows)
        if wrong is not None:
            raise BadInput(f"{wrong}. Correct it in the source, then run the same again.")
        try:
            with self.target.transaction():
                self.target.replace(table, low, was, piece.rows)
                self.target.record(table, new)
        except Clash:
            done.left += 1
            with self.target.transaction():
                self.target.replace(table, low, was, ())
                self.target.record(table, Range(new.high, 0, None))
        done.written += piece.size

    def _count(self, table: Table, piece: Piece, done: Pass) -> None:
        done.rows += len(piece.rows)
        done.size += piece.size
        self.teller.read(table.name, len(piece.rows), piece.size)
