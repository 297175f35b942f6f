"""The scaled database: PostgreSQL through SQLAlchemy's pool over psycopg 3.

Units are the same plain functions as on SQLite; they run on the pool's connection through `run_sync`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from wireroom.errors import StoreUnavailable
from wireroom.perf.pools import Loan, PoolWatch
from wireroom.store.database import Unit, take_callbacks
from wireroom.store.migrate import with_driver
from wireroom.store.postgres_errors import translate
from wireroom.store.postgres_statements import StatementWatch, plan_of

T = TypeVar("T")

SILENT_AFTER = timedelta(seconds=10)
"""When a server that says nothing is taken for gone."""

_MOST_PLANS = 2
"""Plans looked up at once; a slow statement beyond that is logged without."""


def liveliness(silent_after: timedelta) -> Mapping[str, int]:
    """Return the parameters of a connection that notices when its peer is gone. Pure.

    By default the kernel asks after two hours whether an idle peer still lives, and sends what it owes for a
    quarter of an hour. Source: PostgreSQL manual, libpq, Parameter Key Words.
    """
    seconds = max(1, int(silent_after.total_seconds()))
    return {
        "connect_timeout": max(2, seconds),
        "keepalives_idle": max(1, seconds // 2),
        "keepalives_interval": max(1, seconds // 6),
        "keepalives_count": 3,
        "tcp_user_timeout": round(silent_after.total_seconds() * 1000),
    }


class PostgresDatabase:
    """A PostgreSQL database behind the `Database` port."""

    dialect = "postgresql"

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 20,
        max_overflow: int = 30,
        acquire_seconds: float = 10.0,
        silent_after: timedelta = SILENT_AFTER,
    ) -> None:
        """Prepare the pool; connections are opened on first use.

        Args:
            url: `postgresql://user:password@host/name`; the driver is ours to choose.
            pool_size: Connections kept.
            max_overflow: Further connections under load, closed afterwards.
            acquire_seconds: How long a unit waits for a connection before `StoreBusy`.
            silent_after: When a peer that says nothing is taken for gone, here and on the server.
        """
        self.url = url
        self._engine = create_async_engine(
            with_driver(url),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=acquire_seconds,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=dict(liveliness(silent_after)),
        )
        self._silent_ms = round(silent_after.total_seconds() * 1000)
        self.pool = PoolWatch("postgres", size=pool_size, overflow=max_overflow)
        event.listen(self._engine.sync_engine, "connect", self._connected)
        self.statements = StatementWatch(self._engine.sync_engine, self._look)
        self._plans: set[asyncio.Task[None]] = set()
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction; see `Database.write`."""
        with self._working() as loan:
            async with self._engine.begin() as conn:
                self.pool.take(loan)
                result, callbacks = await conn.run_sync(_run, unit)
        for callback in dict.fromkeys(callbacks):
            callback()
        return result

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on one snapshot; see `Database.read`."""
        with self._working() as loan:
            async with self._reading.connect() as conn:
                self.pool.take(loan)
                return await conn.run_sync(unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Accept and never call: here the job engine listens to NOTIFY and readers poll."""

    async def close(self) -> None:
        """Let the units under way end, then close the pool."""
        self._closed = True
        await self._idle.wait()
        await asyncio.gather(*self._plans, return_exceptions=True)
        await self._engine.dispose()
        self.statements.close()
        self.pool.close()

    def _connected(self, connection: DBAPIConnection, _: object) -> None:
        self.pool.connected()
        self._bound_silence(connection)

    def _bound_silence(self, connection: DBAPIConnection) -> None:
        """Have the server undo a unit that says no more: its locks would hold everybody up for hours.

        A unit never waits for anything but the database, so a pause within one is a process that froze or was
        cut off. Source: PostgreSQL manual, Client Connection Defaults.
        """
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"SET idle_in_transaction_session_timeout = {self._silent_ms}")
        cursor.close()
        connection.autocommit = False

    def _look(self, sql: str, tell: Callable[[str], None]) -> None:
        """Look a plan up on a connection of its own: an error must not undo the slow statement's unit."""
        if self._closed or len(self._plans) >= _MOST_PLANS:
            tell("")
            return
        task = asyncio.get_running_loop().create_task(self._tell_plan(sql, tell), name="plan of a statement")
        self._plans.add(task)
        task.add_done_callback(self._plans.discard)

    async def _tell_plan(self, sql: str, tell: Callable[[str], None]) -> None:
        plan = ""
        with contextlib.suppress(StoreUnavailable, DBAPIError):
            plan = await self.read(lambda conn: plan_of(conn, sql))
        tell(plan)

    @contextmanager
    def _working(self) -> Iterator[Loan]:
        """Count a unit under way and translate what the server says of it."""
        if self._closed:
            raise StoreUnavailable("The database is closed: the service is shutting down.")
        self._at_work += 1
        self._idle.clear()
        loan = self.pool.ask()
        try:
            yield loan
        except (DBAPIError, PoolTimeoutError) as error:
            meaning = translate(error)
            if meaning is error:
                raise
            raise meaning from error
        finally:
            self.pool.give_back(loan)
            self._at_work -= 1
            if self._at_work == 0:
                self._idle.set()


def _run(conn: Connection, unit: Unit[T]) -> tuple[T, list[Callable[[], None]]]:
    try:
        result = unit(conn)
    except BaseException:
        take_callbacks(conn)
        raise
    return result, take_callbacks(conn)
