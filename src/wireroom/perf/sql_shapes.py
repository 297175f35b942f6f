"""What SQL says apart from its values: one *shape* for all statements that differ in nothing else.

Pure. Words that the program itself writes into a statement, such as `'queued'`, stay; numbers, bound values,
longer literals and the length of a list do not, so that a shape never carries what somebody said.
"""

from __future__ import annotations

import re

LONGEST_CHARS = 2000
"""Of a shape; the rest is cut."""

_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_WORD = re.compile(r"'[a-z_]{0,24}'")
_BOUND = re.compile(r"%\(\w+\)s|%s|(?<![:\w]):\w+|\$\d+|\?\d*")
_NUMBER = re.compile(r"(?<![\w$?])\d+(?:\.\d+)?\b")
_VALUE = r"\?(?:::\w+)?"
_LIST = re.compile(rf"\(\s*{_VALUE}(?:\s*,\s*{_VALUE})+\s*\)|(?<=\bIN )\(\s*{_VALUE}\s*\)")
_ROWS = re.compile(r"\(…\)(?:\s*,\s*\(…\))+")
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_SQLITE_SCAN = re.compile(r"^\s*SCAN (\w+)\b(?! .*USING)", re.MULTILINE)
_POSTGRES_SCAN = re.compile(r"\bSeq Scan on (\w+)")


def shape_of(sql: str) -> str:
    """Return the shape of a statement in either database's dialect.

    `SELECT id FROM runs WHERE state = 'queued' AND lane IN (?, ?) LIMIT 5` has the shape
    `SELECT id FROM runs WHERE state = 'queued' AND lane IN (…) LIMIT ?`.
    """
    said = _COMMENT.sub(" ", sql)
    said = _LITERAL.sub(_known_word, said)
    said = _NUMBER.sub("?", _BOUND.sub("?", said))
    said = " ".join(said.split())
    said = _ROWS.sub("(…)", _LIST.sub("(…)", said))
    return said if len(said) <= LONGEST_CHARS else said[: LONGEST_CHARS - 1] + "…"


def only_reads(shape: str) -> bool:
    """Tell whether statements of the shape read rows and change none."""
    first = shape[:6].upper()
    return first == "SELECT" or (first.startswith("WITH ") and _WRITES.search(shape) is None)


def scanned_tables(plan: str) -> tuple[str, ...]:
    """Return the tables that a plan, of SQLite or PostgreSQL, walks as a whole, each once."""
    found = [*_SQLITE_SCAN.findall(plan), *_POSTGRES_SCAN.findall(plan)]
    return tuple(dict.fromkeys(name for name in found if name != "CONSTANT"))


def _known_word(literal: re.Match[str]) -> str:
    return literal[0] if _WORD.fullmatch(literal[0]) else "?"
