"""What a database has spent and holds, from outside the service: CPU, log, transactions, bytes by table."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")
_SQLITE_SIZES = """
    SELECT tbl_name, type, (SELECT sum(pgsize) FROM dbstat WHERE dbstat.name = one.name)
    FROM sqlite_schema one WHERE type IN ('table', 'index') AND rootpage > 0
"""
_POSTGRES_SIZES = """
    SELECT relname, pg_total_relation_size(oid) - pg_indexes_size(oid), pg_indexes_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_POSTGRES_SPENT = """
    SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0'), xact_commit FROM pg_stat_database
    WHERE datname = current_database()
"""

_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class StoreReading:
    """All counters of a database in one moment."""

    cpu_ms: float = 0.0
    """Of PostgreSQL's processes; SQLite's work is in the service's process."""
    log_bytes: float = 0.0
    commits: float = 0.0
    """0 on SQLite; the service itself counts its group commits."""


Sizes = Mapping[str, tuple[int, int]]
"""Bytes of each table, and of its indexes."""


class StoreView(Protocol):
    """A database seen from outside."""

    url: str

    def read(self) -> StoreReading:
        """Return its counters."""

    def sizes(self) -> Sizes:
        """Return what its tables take on disk."""

    def connections(self) -> int:
        """Return how many others hold to it; 0 where a connection costs nothing."""

    def rows(self, statement: str) -> list[Any]:
        """Return the rows of a statement, in a transaction of its own."""


class SqliteView:
    """A SQLite file. Its sizes need a `sqlite3` module with dbstat, as Debian's and Python's own have it."""

    def __init__(self, path: Path) -> None:
        """Look at the file; it may not exist yet."""
        self.url = f"sqlite:///{path}"
        self._path = path

    def read(self) -> StoreReading:
        """Return zeros: it spends nothing that is not the service's."""
        return StoreReading()

    def sizes(self) -> Sizes:
        """Return pages of each table, and of its indexes, in bytes."""
        found: dict[str, tuple[int, int]] = {}
        for table, kind, size in self.rows(_SQLITE_SIZES):
            own, indexes = found.get(table, (0, 0))
            found[table] = (own + size, indexes) if kind == "table" else (own, indexes + size)
        return found

    def connections(self) -> int:
        """Return 0: a connection is an open file."""
        return 0

    def rows(self, statement: str) -> list[Any]:
        """Return the rows; what the statement changes is committed."""
        file = sqlite3.connect(self._path, timeout=60)
        try:
            with file:
                return file.execute(statement).fetchall()
        finally:
            file.close()


class PostgresView:
    """A database of a PostgreSQL server of this machine."""

    def __init__(self, url: str) -> None:
        """Look at the database."""
        self.url = url
        folder = self.rows("SHOW data_directory")[0][0]
        self._server = int(Path(folder, "postmaster.pid").read_text().split()[0])

    def read(self) -> StoreReading:
        """Return what the server's processes have computed and logged, and this database's transactions."""
        log, commits = self.rows(_POSTGRES_SPENT)[0]
        return StoreReading(tree_cpu_ms(self._server), float(log), float(commits))

    def sizes(self) -> Sizes:
        """Return bytes of each table with its long values, and of its indexes."""
        return {name: (own, indexes) for name, own, indexes in self.rows(_POSTGRES_SIZES)}

    def connections(self) -> int:
        """Return how many there are beside the one that asks."""
        return int(self.rows(_CONNECTIONS)[0][0]) - 1

    def rows(self, statement: str) -> list[Any]:
        """Return the rows, none of a statement that has none."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            answer = connection.execute(statement.encode())
            return answer.fetchall() if answer.description else []


def tree_cpu_ms(pid: int) -> float:
    """Return what a process and its children have computed, children that were waited for included.

    Source: proc(5), /proc/PID/stat: fields 14 to 17 are utime, stime, cutime and cstime.
    """
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS * 1000 + sum(_own_cpu_ms(child) for child in children)


def _own_cpu_ms(pid: str) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:13])) / _TICKS * 1000
