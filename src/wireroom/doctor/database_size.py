"""How large the database is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, text

from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.migrate import sqlite_path

_SIZE = text("SELECT pg_database_size(current_database())")


async def measure_database(settings: Settings, db: Database) -> Mapping[str, int]:
    """Return bytes by what they are: `data`, and on SQLite `log`, what is written and not yet moved to it.

    Raises:
        StoreUnavailable: PostgreSQL does not answer.
    """
    path = sqlite_path(settings.url)
    if path is not None:
        return {"data": _size_of(path), "log": _size_of(path.with_name(path.name + "-wal"))}
    return {"data": await db.read(_ask_size)}


def _ask_size(conn: Connection) -> int:
    return int(conn.execute(_SIZE).scalar_one())


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
