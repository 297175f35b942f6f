"""The single writer thread of a SQLite file: many callers' units, one commit, one fsync.

It takes all units that wait, runs each in a savepoint of its own and commits them together, then resolves the
callers. Its connection is the only one that writes and checkpoints, so two commits never meet; asked for
`PRAGMA data_version` it tells of other processes' commits.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3
import structlog
from sqlalchemy import Connection, Engine

from wireroom.errors import StoreBusy, StoreLost, StoreUnavailable
from wireroom.perf.metrics import COMMIT_SECONDS, COMMIT_UNITS
from wireroom.perf.sql_scope import Scope, current_scope
from wireroom.store.database import Unit, driver, take_callbacks
from wireroom.store.sqlite_errors import translate
from wireroom.store.watched import unwatched

T = TypeVar("T")
log = structlog.get_logger(__name__)

_MAX_BATCH = 512
_CHECKPOINT_BYTES = 16 * 1024 * 1024
_IDLE_CHECKPOINT_BYTES = 1024 * 1024
_COMMITS_BETWEEN_LOOKS = 16
_CLOSED = "The database is closed: the service is shutting down."


@dataclass(slots=True)
class _Call:
    """A unit that waits for the writer, and whom to tell."""

    unit: Callable[[Connection], Any]
    synced: bool
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    scope: Scope | None
    result: Any = None
    error: BaseException | None = None
    callbacks: list[Callable[[], None]] | None = None


class SqliteWriter:
    """Runs units in group commits until closed."""

    def __init__(
        self, engine: Engine, path: Path, *, synchronous: str, max_waiting: int, outside_poll_seconds: float
    ) -> None:
        """Open the writing connection and start the thread; see `SqliteDatabase` for the arguments."""
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._synchronous = synchronous
        self._synced_now = True
        self._commits = 0
        self._max_waiting = max_waiting
        self._poll_seconds = outside_poll_seconds
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._outside: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._refusal: str | None = None
        self._died = False
        self._conn = engine.connect()
        self._raw = driver(self._conn)
        # For what belongs to no unit; every row of an answer is fetched, or its statement would stay open.
        self._say = unwatched(self._raw)
        self._thread = threading.Thread(target=self._run, name="wireroom-write", daemon=True)
        self._thread.start()

    async def submit(self, unit: Unit[T], *, synced: bool) -> T:
        """Run the unit in the next group commit; `synced=False` lets that commit go without its fsync."""
        if self._refusal is not None:
            raise self._refused()
        if self._calls.qsize() >= self._max_waiting:
            raise StoreBusy(f"{self._max_waiting} writes wait for the disk already; try again in a moment.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(_Call(unit, synced, future, loop, current_scope()))
        return await future

    def _refused(self) -> StoreUnavailable:
        return StoreLost(str(self._refusal)) if self._died else StoreUnavailable(str(self._refusal))

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back on the running loop when another process has committed."""
        self._outside.append((asyncio.get_running_loop(), callback))

    def close(self) -> None:
        """Finish what waits and end the thread; blocks until then."""
        if self._refusal is None:
            self._refusal = _CLOSED
        self._calls.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            # The thread's top: nobody may wait for a dead writer.
            log.critical("store_writer_died", exc_info=error)
            self._died = True
            self._refusal = f"The database writer stopped ({error!r}); restart the service."
            self._refuse_waiting()
        finally:
            self._conn.close()

    def _serve(self) -> None:
        self._say.execute("PRAGMA wal_autocheckpoint=0")
        # The log file is kept for the next commits; one that a long read made large shrinks when it restarts.
        self._say.execute(f"PRAGMA journal_size_limit={_CHECKPOINT_BYTES}")
        version = self._data_version(None)
        looked_at = time.monotonic()
        closing = False
        while not closing:
            batch, closing = self._take_batch()
            if batch:
                self._commit(batch)
            self._checkpoint(idle=not batch)
            now = time.monotonic()
            if now - looked_at >= self._poll_seconds:
                looked_at = now
                seen = self._data_version(version)
                if seen != version:
                    version = seen
                    self._tell_outside()

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

    def _commit(self, batch: list[_Call]) -> None:
        started = time.perf_counter()
        try:
            self._set_synced(any(call.synced for call in batch))
            self._say.execute("BEGIN IMMEDIATE")
            for call in batch:
                self._run_unit(call)
            self._say.execute("COMMIT")
        except BaseException as error:
            self._roll_back()
            if not self._survives(error):
                # The thread ends of this; those whose units are in the batch must not wait for it.
                stopped = f"The database writer stopped ({error!r}); nothing was stored."
                for call in batch:
                    call.error = StoreUnavailable(stopped)
                _resolve_all(batch)
                raise
            failure = translate(error, self._path)
            for call in batch:
                call.error = failure
        COMMIT_SECONDS.observe(time.perf_counter() - started)
        COMMIT_UNITS.observe(len(batch))
        _resolve_all(batch)

    def _survives(self, error: BaseException) -> bool:
        """Tell whether the next commit may do better: the database refused, and its connection is open."""
        return isinstance(error, (pysqlite3.Error, StoreUnavailable)) and not self._conn.closed

    def _set_synced(self, synced: bool) -> None:
        """Have the next commit fsync the log or not; the next one that does covers all before it."""
        if synced is not self._synced_now:
            # This pragma acts when it is compiled, so it must not come out of the statement cache.
            self._say.executescript(f"PRAGMA synchronous={self._synchronous if synced else 'NORMAL'}")
            self._synced_now = synced

    def _run_unit(self, call: _Call) -> None:
        """Run one unit in its savepoint. Raises only when the whole transaction is lost."""
        if call.future.cancelled():
            return
        self._say.execute("SAVEPOINT unit")
        self._raw.scope = call.scope
        try:
            call.result = call.unit(self._conn)
        except BaseException as error:  # noqa: BLE001 - whatever a unit raises is its caller's, not the writer's
            take_callbacks(self._conn)
            call.error = translate(error, self._path)
            self._raise_if_lost(call.error)
            self._say.execute("ROLLBACK TO unit")
        else:
            call.callbacks = take_callbacks(self._conn)
            self._raise_if_lost(None)
        self._say.execute("RELEASE unit")

    def _raise_if_lost(self, cause: BaseException | None) -> None:
        """Raise when SQLite rolled everything back by itself, as it may on a full disk."""
        if self._raw.in_transaction:
            return
        if isinstance(cause, StoreUnavailable):
            raise cause
        raise StoreUnavailable("The transaction was lost while a unit ran; nothing was stored.") from cause

    def _roll_back(self) -> None:
        with contextlib.suppress(pysqlite3.Error):
            if self._raw.in_transaction:
                self._say.execute("ROLLBACK")

    def _checkpoint(self, *, idle: bool) -> None:
        """Copy the log into the file once it is large; when nobody waits anyway, sooner.

        PASSIVE, which never waits for a reader: any other kind would hold the write lock meanwhile.
        """
        self._commits += 1
        if not idle and self._commits % _COMMITS_BETWEEN_LOOKS:
            return
        limit = _IDLE_CHECKPOINT_BYTES if idle else _CHECKPOINT_BYTES
        with contextlib.suppress(OSError, pysqlite3.Error):
            if self._wal.stat().st_size >= limit:
                self._say.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def _data_version(self, otherwise: int | None) -> int | None:
        """Return the counter of other connections' commits; `otherwise` while the file cannot be read."""
        try:
            return int(self._say.execute("PRAGMA data_version").fetchall()[0][0])
        except pysqlite3.Error:
            return otherwise

    def _tell_outside(self) -> None:
        for loop, callback in self._outside:
            with contextlib.suppress(RuntimeError):  # the loop has gone; nobody listens any more
                loop.call_soon_threadsafe(callback)

    def _refuse_waiting(self) -> None:
        waiting: list[_Call] = []
        with contextlib.suppress(queue.Empty):
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    call.error = self._refused()
                    waiting.append(call)
        _resolve_all(waiting)


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
