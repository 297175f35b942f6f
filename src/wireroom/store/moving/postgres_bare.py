"""What a PostgreSQL target does without while it is filled, and what it gets instead.

Foreign keys go, since a range that is written anew may hold rows that others refer to. What they were stands
in the target, so that they come back whatever is killed. Keys with text get an index in the order of bytes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from wireroom.store.moving.side import Side
from wireroom.store.moving.tables import MOVING, Kind, Table, quoted

_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = to_regnamespace(current_schema())
    AND conrelid::regclass::text = ANY(%s)
"""
_HELPERS = f"""
SELECT relname::text, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE relnamespace = to_regnamespace(current_schema()) AND starts_with(relname::text, '{MOVING}_key_')
"""


def make_bare(side: Side, tables: Sequence[Table]) -> None:
    """Take the foreign keys away, noting them, and add what reading in the order of bytes needs."""
    found = _foreign_keys(side, [table.name for table in tables])
    later = _noted(side)
    known = {name for _, name, _ in later}
    later += [list(one) for one in found if one[1] not in known]
    side.run(f"UPDATE {MOVING} SET later = %s", (json.dumps(later),))
    for table_name, name, _ in found:
        side.run(f"ALTER TABLE {table_name} DROP CONSTRAINT {quoted(name)}")
    add_helpers(side, tables)


def put_keys_back(side: Side) -> None:
    """Add the foreign keys that were taken away, each checked by the server."""
    later = _noted(side)
    there = {name for _, name, _ in _foreign_keys(side, [table for table, _, _ in later])}
    for table, name, definition in later:
        if name not in there:
            side.run(f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {definition}")


def add_helpers(side: Side, tables: Sequence[Table], *, online: bool = False) -> None:
    """Add an index in the order of bytes for each key with text, where the database orders it otherwise.

    Args:
        side: The database.
        tables: What is read or filled.
        online: Let others write meanwhile; not within a transaction.
    """
    for name, is_whole in side.rows(_HELPERS):
        if not is_whole:  # a kill has left it half made
            side.run(f"DROP INDEX {quoted(name)}")
    how = "INDEX CONCURRENTLY" if online else "INDEX"
    for table in tables:
        if side.binary and Kind.TEXT in map(table.kind_of, table.key):
            name = quoted(f"{MOVING}_key_{table.name}"[:63])
            columns = side.order_of(table)
            side.run(f"CREATE {how} IF NOT EXISTS {name} ON {side.stored_as(table)} ({columns})")


def drop_helpers(side: Side, *, online: bool = False) -> None:
    """Remove the indexes of `add_helpers`."""
    how = "INDEX CONCURRENTLY" if online else "INDEX"
    for name, _ in side.rows(_HELPERS):
        side.run(f"DROP {how} {quoted(name)}")


def last_number(side: Side, table: Table) -> int | None:
    """Return the highest number that the table has given to a row, None when it gives none."""
    sequence = _sequence(side, table)
    if sequence is None:
        return None
    last, is_called = side.rows(f"SELECT last_value, is_called FROM {sequence}")[0]
    return int(last) if is_called else None


def go_on_numbering(side: Side, table: Table, number: int | None) -> None:
    """Let the table give numbers above those that its rows have, and above `number`."""
    sequence = _sequence(side, table)
    if sequence is None:
        return
    highest = side.rows(f"SELECT max({quoted(table.key[0])}) FROM {side.stored_as(table)}")[0][0]
    last = max(highest or 0, number or 0, last_number(side, table) or 0)
    if last:
        side.rows("SELECT setval(%s, %s)", (sequence, last))


def _sequence(side: Side, table: Table) -> str | None:
    if not table.counts_up:
        return None
    found = side.rows("SELECT pg_get_serial_sequence(%s, %s)", (side.stored_as(table), table.key[0]))
    sequence: str | None = found[0][0]
    return sequence


def _noted(side: Side) -> list[list[str]]:
    noted: list[list[str]] = json.loads(side.rows(f"SELECT later FROM {MOVING}")[0][0])
    return noted


def _foreign_keys(side: Side, tables: Sequence[str]) -> list[Any]:
    return side.rows(_FOREIGN_KEYS, (list(tables),))
