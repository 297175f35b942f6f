"""What tables a SQLite file has, as a move sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wireroom.errors import Conflict
from wireroom.store.moving.tables import Column, Kind, Table, quoted

Rows = Callable[..., list[Any]]
"""Returns the rows of a statement."""

_PORTABLE = re.compile(r"-?\d+(\.\d+)?|'[^']*'|CURRENT_TIMESTAMP")
_AFFINITIES = (
    ("INT", Kind.INTEGER),
    ("CHAR", Kind.TEXT),
    ("CLOB", Kind.TEXT),
    ("TEXT", Kind.TEXT),
    ("REAL", Kind.NUMBER),
    ("FLOA", Kind.NUMBER),
    ("DOUB", Kind.NUMBER),
)
"""Source: https://www.sqlite.org/datatype3.html, 3.1; what is none of these is looked at."""
_BY_VALUES: dict[frozenset[str], Kind] = {
    frozenset(): Kind.TEXT,
    frozenset({"text"}): Kind.TEXT,
    frozenset({"integer"}): Kind.INTEGER,
    frozenset({"real"}): Kind.NUMBER,
    frozenset({"integer", "real"}): Kind.NUMBER,
    frozenset({"blob"}): Kind.BYTES,
}


def table_of(rows: Rows, name: str) -> Table:
    """Return a table.

    Raises:
        Conflict: a column whose declaration says nothing holds values of several kinds.
    """
    found = rows(
        'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo(?) WHERE hidden = 0',
        (name,),
    )
    key = sorted((pk, column) for column, _, _, _, pk in found if pk)
    return Table(
        name,
        tuple(_column(rows, name, one) for one in found),
        tuple(column for _, column in key),
        _unique(rows, name),
    )


def _column(rows: Rows, table: str, found: Any) -> Column:
    name, declared, required, default, _ = found
    kind, read_as = _kind(rows, table, name, declared), None
    if kind is Kind.NUMBER:
        read_as = f"CAST({quoted(name)} AS REAL)"
    portable = default if default is not None and _PORTABLE.fullmatch(default) else None
    return Column(name, kind, bool(required), portable, read_as)


def _kind(rows: Rows, table: str, name: str, declared: str) -> Kind:
    for part, kind in _AFFINITIES:
        if part in declared.upper():
            return kind
    column = quoted(name)
    found = rows(f"SELECT DISTINCT typeof({column}) FROM {quoted(table)} WHERE {column} NOT NULL")
    kinds = frozenset(kind for (kind,) in found)
    if kinds not in _BY_VALUES:
        raise Conflict(
            f"Column {name} of table {table} holds {' and '.join(sorted(kinds))}: PostgreSQL keeps one"
            " kind of value a column. Make them alike first."
        )
    return _BY_VALUES[kinds]


def _unique(rows: Rows, table: str) -> tuple[tuple[str, ...], ...]:
    found = rows(
        "SELECT name FROM pragma_index_list(?) WHERE \"unique\" = 1 AND origin <> 'pk' AND partial = 0",
        (table,),
    )
    columns = [
        tuple(one for (one,) in rows("SELECT name FROM pragma_index_info(?) ORDER BY seqno", (name,)))
        for (name,) in found
    ]
    return tuple(one for one in columns if None not in one)
