"""What tables a PostgreSQL database has, as a move sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wireroom.store.moving.tables import Column, Kind, Table, quoted

Rows = Callable[..., list[Any]]
"""Returns the rows of a statement."""

_KINDS = {
    **dict.fromkeys(("bigint", "integer", "smallint"), Kind.INTEGER),
    "double precision": Kind.NUMBER,
    **dict.fromkeys(("text", "character varying", "character"), Kind.TEXT),
    "bytea": Kind.BYTES,
}
_READ_AS = {
    "boolean": (Kind.INTEGER, "int"),
    "real": (Kind.NUMBER, "double precision"),
}
_PORTABLE = re.compile(r"(-?\d+(?:\.\d+)?|'[^']*'|CURRENT_TIMESTAMP)(?:::[a-z ]+)?")

_COLUMNS = """
SELECT column_name, data_type, is_nullable = 'NO', column_default FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""
_KEYS = """
SELECT i.indisprimary, array_agg(a.attname::text ORDER BY k.place) FROM pg_index AS i
CROSS JOIN LATERAL unnest(i.indkey::int[]) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = to_regclass(%s) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
GROUP BY i.indexrelid, i.indisprimary
"""


def table_of(rows: Rows, name: str) -> Table:
    """Return a table; a value of a kind that SQLite does not know is read as text."""
    found = rows(_KEYS, (quoted(name),))
    return Table(
        name,
        tuple(_column(*one) for one in rows(_COLUMNS, (name,))),
        next((tuple(columns) for is_key, columns in found if is_key), ()),
        tuple(tuple(columns) for is_key, columns in found if not is_key),
    )


def _column(name: str, type_: str, required: bool, default: str | None) -> Column:
    portable = _PORTABLE.fullmatch(default) if default else None
    kept = portable[1] if portable else None
    if type_ in _KINDS:
        return Column(name, _KINDS[type_], required, kept)
    kind, cast = _READ_AS.get(type_, (Kind.TEXT, "text"))
    return Column(name, kind, required, kept, f"{quoted(name)}::{cast}")
