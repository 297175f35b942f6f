"""Which tables are moved, in which columns, and what the other database needs for them. Pure.

Both kinds of database describe their tables in the four kinds of value that SQLite keeps. Jobs are a table
of their own here: `store.moving.job_table` has their one shape for both engines.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wireroom.errors import Conflict

JOBS = "jobs"
MOVED = "wireroom_moved"
"""In a database that was left: where its data is now."""
MOVING = "wireroom_moving"
"""In a database that is being filled: from where."""
RANGES = "wireroom_moving_ranges"
"""In a database that is being filled: what of each table is there."""
NEVER_MOVED = frozenset({"wireroom_version", MOVED, MOVING, RANGES})


class Kind(StrEnum):
    """What a column holds."""

    INTEGER = "whole number"
    NUMBER = "number"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a kind of database defines columns."""

    types: Mapping[Kind, str]
    counting: str
    """Type and rule of a key that counts up by itself."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, as it is read."""

    name: str
    kind: Kind
    required: bool = False
    """NOT NULL."""
    default: str | None = None
    """In SQL that both databases take; None for none, or for one that only its own database knows."""
    read_as: str | None = None
    """The expression that yields it in its kind; None for the column itself."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, as its database has it."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """The primary key's columns in their order; rows are read and compared in its order."""
    unique: tuple[tuple[str, ...], ...] = ()
    """Columns that are unique together, beside the key."""

    def kind_of(self, column: str) -> Kind:
        """Return the kind of a column."""
        return next(one.kind for one in self.columns if one.name == column)

    @property
    def counts_up(self) -> bool:
        """True when its key is one whole number."""
        return len(self.key) == 1 and self.kind_of(self.key[0]) is Kind.INTEGER

    def names(self) -> list[str]:
        """Return the names of its columns."""
        return [one.name for one in self.columns]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is moved, and what the target needs before."""

    tables: list[Table] = field(default_factory=list)
    """As the source has them, by name; jobs last."""
    create: list[Table] = field(default_factory=list)
    """Tables of other programs that the target lacks or has in another shape: made as in the source."""
    add: list[tuple[str, Column]] = field(default_factory=list)
    """Columns of other programs that the target lacks, with their tables."""
    left: list[str] = field(default_factory=list)
    """Tables that stay behind: what they hold is of one kind of database alone."""


def plan_move(
    source: Mapping[str, Table],
    target: Mapping[str, Table],
    *,
    ours: Collection[str],
    shared: Collection[str],
) -> Plan:
    """Return what is moved from one database to another of the same release.

    Args:
        source: Its tables by name.
        target: Its tables by name, migrated.
        ours: Tables that only Wireroom writes; one that the target lacks has no meaning there and stays.
        shared: Tables that other programs know, and may have made in another shape.

    Raises:
        Conflict: a table cannot be moved; the message says why, and what to do.
    """
    plan = Plan()
    for name in sorted(source, key=lambda one: (one == JOBS, one)):
        table = source[name]
        there = target.get(name)
        if there is None and name in ours:
            plan.left.append(name)
            continue
        _check_key(table)
        plan.tables.append(table)
        if there is None or (name in shared and not _fits(table, there)):
            plan.create.append(table)
        else:
            plan.add.extend((name, one) for one in table.columns if one.name not in there.names())
    return plan


def _fits(table: Table, there: Table) -> bool:
    """Tell whether rows of a table can be put there, which may need columns added."""
    needed = {one.name for one in there.columns if one.required and one.default is None}
    return table.key == there.key and needed - set(there.key) <= set(table.names())


def _check_key(table: Table) -> None:
    if not table.key:
        raise Conflict(
            f"Table {table.name} has no primary key, so its rows cannot be told apart. Give it one, or drop"
            " it if no program needs it."
        )
    kinds = {table.kind_of(column) for column in table.key}
    if not kinds <= {Kind.INTEGER, Kind.TEXT}:
        raise Conflict(f"Table {table.name} has a primary key that is neither text nor a whole number.")
    if any("%" in name for name in (table.name, *table.names())):
        raise Conflict(f"Table {table.name} has a percent sign in a name, which cannot be moved. Rename it.")


def quoted(name: str) -> str:
    """Return a name as it stands in a statement."""
    return '"' + name.replace('"', '""') + '"'


def definition(table: Table, dialect: Dialect) -> str:
    """Return the statement that makes a table of another program."""
    parts = [_defined(column, dialect) for column in table.columns]
    if table.counts_up:
        parts[table.names().index(table.key[0])] = f"{quoted(table.key[0])} {dialect.counting}"
    else:
        parts.append(f"PRIMARY KEY ({', '.join(map(quoted, table.key))})")
    parts += [f"UNIQUE ({', '.join(map(quoted, columns))})" for columns in table.unique]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(parts)})"


def addition(table: str, column: Column, dialect: Dialect) -> str:
    """Return the statement that adds a column of another program to a table without rows."""
    return f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(column.name)} {dialect.types[column.kind]}"


def _defined(column: Column, dialect: Dialect) -> str:
    required = " NOT NULL" if column.required else ""
    default = f" DEFAULT {column.default}" if column.default else ""
    return f"{quoted(column.name)} {dialect.types[column.kind]}{required}{default}"
