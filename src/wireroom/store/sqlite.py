"""The embedded database: one SQLite file, one writer thread with group commit, a few reader threads.

Callers' units wait in a queue; the writer takes all that wait, runs each in a savepoint of its own and
commits them together with one fsync (`synchronous=FULL`), then resolves the callers. The writer's is the
only connection that writes and checkpoints. `PRAGMA data_version`, asked on that connection, tells of other
processes' commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from wireroom.errors import StoreBusy, StoreUnavailable
from wireroom.perf.metrics import COMMIT_SECONDS, COMMIT_UNITS
from wireroom.store.database import Unit, driver, take_callbacks
from wireroom.store.sqlite_errors import translate

T = TypeVar("T")
_MAX_BATCH = 512
_CHECKPOINT_BYTES = 16 * 1024 * 1024
_IDLE_CHECKPOINT_BYTES = 1024 * 1024


@dataclass(slots=True)
class _Call:
    """A unit that waits for the writer, and whom to tell."""

    unit: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    result: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] | None = None


def connect(path: Path, *, synchronous: str = "FULL") -> Any:
    """Open one driver connection with the settings that every connection of ours has.

    Raises:
        StoreUnavailable: the file cannot be opened; the class says why.
    """
    try:
        raw = pysqlite3.connect(str(path), isolation_level=None, check_same_thread=False, timeout=5.0)
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute(f"PRAGMA synchronous={synchronous}")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA temp_store=MEMORY")
        raw.execute("PRAGMA cache_size=-16000")
    except pysqlite3.Error as error:
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
        """
        self.path = path
        self._wal = path.with_name(path.name + "-wal")
        self.synchronous = synchronous
        self._engine = engine_for(path, synchronous=synchronous)
        self._poll_seconds = outside_poll_seconds
        self._max_waiting = max_waiting
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._outside: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._closed = False
        self._local = threading.local()
        self._reader_connections: list[Connection] = []
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="wireroom-read")
        self._writer_connection = self._engine.connect()
        self._writer = threading.Thread(target=self._write_forever, name="wireroom-write", daemon=True)
        self._writer.start()

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in the next group commit; see `Database.write`."""
        if self._closed:
            raise StoreUnavailable("The database is closed: the service is shutting down.")
        if self._calls.qsize() >= self._max_waiting:
            raise StoreBusy(f"{self._max_waiting} writes wait for the disk already; try again in a moment.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(_Call(unit, future, loop))
        return await future

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on a reader thread; see `Database.read`."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Call back on the running loop when another process has committed."""
        self._outside.append((asyncio.get_running_loop(), callback))

    async def close(self) -> None:
        """Finish the writes under way, then release every connection and thread."""
        if self._closed:
            return
        self._closed = True
        self._calls.put(None)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.join)
        await loop.run_in_executor(None, self._readers.shutdown)
        for connection in self._reader_connections:
            connection.close()
        self._engine.dispose()

    def _read(self, unit: Unit[T]) -> T:
        conn = self._reader_connection()
        raw = driver(conn)
        try:
            raw.execute("BEGIN")
            try:
                return unit(conn)
            finally:
                raw.execute("ROLLBACK")
        except pysqlite3.Error as error:
            raise translate(error, self.path) from error

    def _reader_connection(self) -> Connection:
        conn: Connection | None = getattr(self._local, "connection", None)
        if conn is None:
            conn = self._engine.connect()
            driver(conn).execute("PRAGMA query_only=ON")
            self._local.connection = conn
            self._reader_connections.append(conn)
        return conn

    def _write_forever(self) -> None:
        conn = self._writer_connection
        raw = driver(conn)
        raw.execute("PRAGMA wal_autocheckpoint=0")
        version = _data_version(raw)
        looked_at = time.monotonic()
        while True:
            batch, closing = self._take_batch()
            if batch:
                self._commit(conn, raw, batch)
            self._checkpoint(raw, idle=not batch)
            now = time.monotonic()
            if now - looked_at >= self._poll_seconds:
                looked_at = now
                seen = _data_version(raw)
                if seen != version:
                    version = seen
                    self._tell_outside()
            if closing:
                break
        conn.close()

    def _take_batch(self) -> tuple[list[_Call], bool]:
        """Wait for work, then take all that waits, up to the batch limit; True when closing."""
        batch: list[_Call] = []
        try:
            call = self._calls.get(timeout=self._poll_seconds)
            while call is not None:
                batch.append(call)
                if len(batch) >= _MAX_BATCH:
                    return batch, False
                call = self._calls.get_nowait()
        except queue.Empty:
            return batch, False
        return batch, True

    def _commit(self, conn: Connection, raw: Any, batch: list[_Call]) -> None:
        started = time.perf_counter()
        try:
            raw.execute("BEGIN IMMEDIATE")
            for call in batch:
                self._run_unit(conn, raw, call)
            raw.execute("COMMIT")
        except pysqlite3.Error as error:
            with contextlib.suppress(pysqlite3.Error):
                if raw.in_transaction:
                    raw.execute("ROLLBACK")
            failure = translate(error, self.path)
            for call in batch:
                call.error = failure
        COMMIT_SECONDS.observe(time.perf_counter() - started)
        COMMIT_UNITS.observe(len(batch))
        _resolve_all(batch)

    def _run_unit(self, conn: Connection, raw: Any, call: _Call) -> None:
        """Run one unit in its savepoint. Raises only when the whole transaction is lost."""
        if call.future.cancelled():
            return
        raw.execute("SAVEPOINT unit")
        try:
            call.result = call.unit(conn)
        except BaseException as error:
            take_callbacks(conn)
            call.error = translate(error, self.path)
            if not raw.in_transaction:
                raise _lost_transaction(error) from error
            raw.execute("ROLLBACK TO unit")
        else:
            call.callbacks = take_callbacks(conn)
        raw.execute("RELEASE unit")

    def _checkpoint(self, raw: Any, *, idle: bool) -> None:
        """Copy the log into the file once it is large, and empty the log when nobody waits anyway."""
        limit = _IDLE_CHECKPOINT_BYTES if idle else _CHECKPOINT_BYTES
        with contextlib.suppress(OSError, pysqlite3.Error):
            if self._wal.stat().st_size >= limit:
                raw.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if idle else 'PASSIVE'})").fetchone()

    def _tell_outside(self) -> None:
        for loop, callback in self._outside:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(callback)


def _data_version(raw: Any) -> int:
    return int(raw.execute("PRAGMA data_version").fetchone()[0])


def _lost_transaction(error: BaseException) -> pysqlite3.Error:
    return error if isinstance(error, pysqlite3.Error) else pysqlite3.OperationalError(str(error))


def _resolve_all(batch: list[_Call]) -> None:
    """Tell each event loop once, however many of its callers are in the batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Call]] = {}
    for call in batch:
        by_loop.setdefault(call.loop, []).append(call)
    for loop, calls in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop has gone; nobody waits any more
            loop.call_soon_threadsafe(_resolve, calls)


def _resolve(calls: list[_Call]) -> None:
    callbacks: dict[Callable[[], None], None] = {}
    for call in calls:
        if call.error is None and call.callbacks:
            callbacks.update(dict.fromkeys(call.callbacks))
        if call.future.done():
            continue
        if call.error is not None:
            call.future.set_exception(call.error)
        else:
            call.future.set_result(call.result)
    for callback in callbacks:
        callback()
