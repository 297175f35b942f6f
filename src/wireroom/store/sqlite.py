"""The embedded database: one SQLite file, one writer thread with group commit, a few reader threads.

Writes are committed with `synchronous=FULL` by `store.sqlite_writer`; reads run on threads with a connection
of their own, each on its snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from wireroom.errors import StoreUnavailable
from wireroom.perf.pools import Loan, PoolWatch
from wireroom.perf.sql_scope import Scope, current_scope
from wireroom.store.database import Unit, driver
from wireroom.store.sqlite_errors import translate
from wireroom.store.sqlite_writer import SqliteWriter
from wireroom.store.watched import WatchedConnection, unwatched

T = TypeVar("T")


def connect(path: Path, *, synchronous: str = "FULL") -> Any:
    """Open one driver connection with the settings that every connection of ours has.

    A file that does not exist is made, for its owner only; SQLite gives its log the same mode.

    Raises:
        StoreUnavailable: the file cannot be opened; the class says why.
    """
    # What keeps the file from being made, SQLite meets next and tells.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        raw = pysqlite3.connect(
            str(path), isolation_level=None, check_same_thread=False, timeout=5.0, factory=WatchedConnection
        )
    except pysqlite3.Error as error:
        raise translate(error, path) from error
    try:
        say = unwatched(raw)
        say.execute("PRAGMA journal_mode=WAL")
        say.execute(f"PRAGMA synchronous={synchronous}")
        say.execute("PRAGMA foreign_keys=ON")
        say.execute("PRAGMA temp_store=MEMORY")
        say.execute("PRAGMA cache_size=-4000")
    except pysqlite3.Error as error:
        raw.close()
        raise translate(error, path) from error
    return raw


def engine_for(path: Path, *, synchronous: str = "FULL") -> Engine:
    """Return an engine whose connections run in autocommit; the caller states its own BEGIN and COMMIT."""
    return create_engine(
        "sqlite://",
        module=pysqlite3,
        creator=lambda: connect(path, synchronous=synchronous),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )


class SqliteDatabase:
    """One SQLite file behind the `Database` port."""

    dialect = "sqlite"

    def __init__(
        self,
        path: Path,
        *,
        readers: int = 4,
        max_waiting: int = 20_000,
        outside_poll_seconds: float = 0.25,
        synchronous: str = "FULL",
    ) -> None:
        """Open the file, which must have been migrated.

        Args:
            path: The database file.
            readers: Reader threads, each with a connection of its own.
            max_waiting: Units that may wait for the writer; one more is refused with `StoreBusy`.
            outside_poll_seconds: How often to look for other processes' commits.
            synchronous: FULL survives a power cut; NORMAL is for benchmarks that say so.

        Raises:
            StoreUnavailable: the file cannot be opened; the class says why.
        """
        self.path = path
        self.synchronous = synchronous
        self._engine = engine_for(path, synchronous=synchronous)
        self.pool = PoolWatch("sqlite readers", size=readers)
        event.listen(self._engine, "connect", self._connected)
        self._closed = False
        self._local = threading.local()
        self._reader_connections: list[Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="wireroom-read")
        self._writer = SqliteWriter(
            self._engine,
            path,
            synchronous=synchronous,
            max_waiting=max_waiting,
            outside_poll_seconds=outside_poll_seconds,
        )

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in the next group commit; see `Database.write`."""
        return await self._writer.submit(unit, synced=True)

    async def write_unsynced(self, unit: Unit[T]) -> T:
        """Run the unit in a commit that a crash of the process keeps and a power cut may undo.

        For writes whose loss costs nothing, such as the claim of a job: lost, the job simply waits. The order
        of commits is kept: the next durable one makes all before it durable.
        """
        return await self._writer.submit(unit, synced=False)

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on a reader thread; see `Database.read`."""
        if self._closed:
            raise StoreUnavailable("The database is closed: the service is shutting down.")
        loan = self.pool.ask()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._readers, self._read, unit, current_scope(), loan
            )
        except BaseException:
            self.pool.give_up(loan)
            raise

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Call back on the running loop when another process has committed."""
        self._writer.watch(callback)

    async def close(self) -> None:
        """Finish the writes under way, then release every connection and thread."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.close)
        await loop.run_in_executor(None, self._readers.shutdown)
        for connection in self._reader_connections:
            connection.close()
        self._engine.dispose()
        self.pool.close()

    def _read(self, unit: Unit[T], scope: Scope | None, loan: Loan) -> T:
        self.pool.take(loan)
        try:
            conn = self._reader_connection()
            raw, say = driver(conn), self._local.say
            say.execute("BEGIN")
            raw.scope = scope
            try:
                return unit(conn)
            finally:
                raw.scope = None
                say.execute("ROLLBACK")
        except (pysqlite3.Error, DBAPIError) as error:
            meaning = translate(error, self.path)
            if meaning is error:
                raise
            raise meaning from error
        finally:
            self.pool.give_back(loan)

    def _reader_connection(self) -> Connection:
        conn: Connection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = self._engine.connect()
            self._local.say = unwatched(driver(conn))
            self._local.say.execute("PRAGMA query_only=ON")
            self._local.connection = conn
            self._reader_connections.append(conn)
        return conn

    def _connected(self, *_: object) -> None:
        self.pool.connected()
