"""A migrated, empty database: a migration is a process of its own, a second of each test that needs it."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from wireroom.store.migrate import ensure_schema


@functools.cache
def empty_database() -> bytes:
    """Return the SQLite file, made once a test process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wireroom.sqlite3"
        ensure_schema(f"sqlite:///{path}")
        return path.read_bytes()


def lay_out(data_dir: Path) -> Path:
    """Make the data folder with that database in it, and return the database's path."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    path = data_dir / "wireroom.sqlite3"
    path.write_bytes(empty_database())
    return path
