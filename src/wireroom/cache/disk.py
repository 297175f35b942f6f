"""The disk level: one table in a SQLite file of its own, which may be deleted at any time.

It is a cache: nothing in it needs to survive a power cut, so it is written without an fsync, and a file that
cannot be used is begun anew or left alone. Everything happens on one thread, in the order in which it was
asked for, so that what is forgotten stays forgotten.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
import structlog

from wireroom.cache.changes import Changed
from wireroom.cache.lower import NOTHING, Address, Looked, Stored
from wireroom.cache.names import Level

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_VERSION = 1
_ROW_BYTES = 200
"""About what a row takes beside its value."""
_MARK = "\x1f"
_CLOCK_MAY_STEP_SECONDS = 60.0
"""An entry from further in the future was made before the machine's clock was set right."""
_MOST_FAILURES = 2
"""In a row: the first may be of a damaged file, which is removed; after one more the folder is of no use."""
_LEAVE_SHARE = 0.9
"""Once the bound is passed, the oldest go until this share of it is left: not one at each write."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    name TEXT NOT NULL, key TEXT NOT NULL, tags TEXT NOT NULL, value BLOB NOT NULL, bytes INTEGER NOT NULL,
    made_at REAL NOT NULL, ttl REAL NOT NULL, used_at REAL NOT NULL, PRIMARY KEY (name, key)
) WITHOUT ROWID
"""
_FIND = "SELECT value, made_at, ttl FROM entries WHERE name = ? AND key = ?"
_USED = "UPDATE entries SET used_at = ? WHERE name = ? AND key = ?"
_PUT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_SIZE = "SELECT coalesce(sum(bytes), 0) FROM entries"
_BY_USE = "SELECT name, key, bytes FROM entries ORDER BY used_at"
_DROP = "DELETE FROM entries WHERE name = ? AND key = ?"
_DROP_TAG = "DELETE FROM entries WHERE instr(tags, ?)"
_DROP_MATCHING = "DELETE FROM entries WHERE name = ? AND key GLOB ?"
_DROP_EXPIRED = "DELETE FROM entries WHERE made_at + ttl <= ? OR made_at > ? RETURNING name"
_PER_NAME = "SELECT name, count(*), sum(bytes) FROM entries GROUP BY name"


class DiskLevel:
    """Values in a file of the data folder."""

    level = Level.DISK

    def __init__(self, path: Path, most_bytes: int, dropped: Callable[[str, str], None]) -> None:
        """Name the file; it is opened, or made, when it is first used.

        Args:
            path: The file.
            most_bytes: The bound for all values.
            dropped: Told of each entry that goes by itself, with its name and the reason, on the thread.
        """
        self.path = path
        self._most_bytes = most_bytes
        self._dropped = dropped
        self._raw: Any = None
        self._size = 0
        self._is_lost = False
        self._failures = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wireroom-cache")

    async def look(self, where: Address, longest: timedelta) -> Looked:
        """Return what is kept; see `Lower.look`. Nobody else computes for this machine."""
        del longest
        return await self._do(lambda: self._find(where), NOTHING)

    async def keep(self, where: Address, stored: Stored, ticket: Sequence[str]) -> None:
        """Keep the value; what was used longest ago goes when there is no room."""
        del ticket
        await self._do(lambda: self._put(where, stored), None)

    async def give_up(self, where: Address, ticket: Sequence[str]) -> None:
        """Do nothing: nobody waits."""

    async def forget(self, changed: Changed) -> bool:
        """Forget what depends on the change; what cannot be written now cannot be read either."""
        await self._do(lambda: self._forget(changed), None)
        return True

    async def drop_expired(self) -> None:
        """Forget what is over; a file that nobody needed yet is not made for it."""
        if self.path.exists():
            await self._do(self._drop_expired, None)

    async def sizes(self) -> Sequence[tuple[str, int, int]]:
        """Return (name, entries, bytes) of each name."""
        empty: Sequence[tuple[str, int, int]] = ()
        if not self.path.exists():
            return empty
        return await self._do(lambda: [tuple(row) for row in self._open().execute(_PER_NAME)], empty)

    async def close(self) -> None:
        """Close the file, once what was asked for is done."""
        if self._is_lost:
            return
        self._is_lost = True
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _do(self, work: Callable[[], T], otherwise: T) -> T:
        """Run it on the thread; a file that cannot be used is the same as an empty one."""
        if self._is_lost:
            return otherwise
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._try, work, otherwise)

    def _try(self, work: Callable[[], T], otherwise: T) -> T:
        try:
            done = work()
        except (pysqlite3.Error, OSError) as error:
            self._begin_anew(error)
            return otherwise
        self._failures = 0
        return done

    def _begin_anew(self, error: Exception) -> None:
        """Remove a damaged file; when that does not help, do without."""
        self._close()
        if isinstance(error, pysqlite3.OperationalError) and "locked" in str(error):
            return
        self._failures += 1
        self._is_lost = self._failures >= _MOST_FAILURES
        _log.warning("cache_file_unusable", path=str(self.path), reason=str(error), given_up=self._is_lost)
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                self.path.with_name(self.path.name + suffix).unlink()

    def _open(self) -> Any:
        if self._raw is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._raw = _connect(self.path)
            if self._raw.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
                self._raw.execute("DROP TABLE IF EXISTS entries")
                self._raw.execute(f"PRAGMA user_version = {_VERSION}")
            self._raw.execute(_SCHEMA)
            self._size = int(self._raw.execute(_SIZE).fetchone()[0])
        return self._raw

    def _close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            with contextlib.suppress(pysqlite3.Error):
                raw.close()

    def _find(self, where: Address) -> Looked:
        raw = self._open()
        row = raw.execute(_FIND, (where.name, where.key)).fetchone()
        if row is None:
            return NOTHING
        raw.execute(_USED, (time.time(), where.name, where.key))
        return Looked(Stored(*row))

    def _put(self, where: Address, stored: Stored) -> None:
        taken = len(stored.packed) + len(where.key) + _ROW_BYTES
        if taken > self._most_bytes:
            return
        tags = "".join(f"{_MARK}{tag}{_MARK}" for tag in where.tags)
        row = (where.name, where.key, tags, stored.packed, taken, stored.made_at, stored.ttl, time.time())
        raw = self._open()
        raw.execute(_PUT, row)
        self._size += taken
        if self._size > self._most_bytes:
            self._make_room(raw)

    def _make_room(self, raw: Any) -> None:
        """Drop what was used longest ago, in one transaction."""
        self._size = int(raw.execute(_SIZE).fetchone()[0])
        doomed = []
        for name, key, taken in raw.execute(_BY_USE):
            if self._size <= self._most_bytes * _LEAVE_SHARE:
                break
            doomed.append((name, key))
            self._size -= taken
        raw.execute("BEGIN")
        raw.executemany(_DROP, doomed)
        raw.execute("COMMIT")
        for name, _ in doomed:
            self._dropped(name, "evicted")

    def _forget(self, changed: Changed) -> None:
        raw = self._open()
        for tag in changed.tags:
            raw.execute(_DROP_TAG, (f"{_MARK}{tag}{_MARK}",))
        for name, key in changed.keys:
            raw.execute(_DROP, (name, key))
        for name, pattern in changed.patterns:
            raw.execute(_DROP_MATCHING, (name, pattern))
        self._size = int(raw.execute(_SIZE).fetchone()[0])

    def _drop_expired(self) -> None:
        raw, now = self._open(), time.time()
        for (name,) in raw.execute(_DROP_EXPIRED, (now, now + _CLOCK_MAY_STEP_SECONDS)).fetchall():
            self._dropped(name, "expired")
        self._size = int(raw.execute(_SIZE).fetchone()[0])


def _connect(path: Path) -> Any:
    """Open the file, for its owner only; never the database's, which has rules of its own."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    raw = pysqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=1.0)
    try:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("PRAGMA synchronous=OFF")
        raw.execute("PRAGMA cache_size=-1000")
    except pysqlite3.Error:
        raw.close()
        raise
    return raw
