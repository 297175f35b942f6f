"""The scaled database: PostgreSQL through SQLAlchemy's pool over psycopg 3.

Units are the same plain functions as on SQLite; they run on the pool's connection through `run_sync`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from wireroom.errors import StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable
from wireroom.store.database import Unit, take_callbacks

T = TypeVar("T")


class PostgresDatabase:
    """A PostgreSQL database behind the `Database` port."""

    dialect = "postgresql"

    def __init__(
        self, url: str, *, pool_size: int = 20, max_overflow: int = 30, acquire_seconds: float = 10.0
    ) -> None:
        """Prepare the pool; connections are opened on first use.

        Args:
            url: `postgresql://user:password@host/name`; the driver is ours to choose.
            pool_size: Connections kept.
            max_overflow: Further connections under load, closed afterwards.
            acquire_seconds: How long a unit waits for a connection before `StoreBusy`.
        """
        self.url = url
        self._engine = create_async_engine(
            _with_driver(url),
            pool_size=pool_size,
            max_overflow=max_overflow,
            pool_timeout=acquire_seconds,
            pool_pre_ping=True,
        )
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction; see `Database.write`."""
        try:
            async with self._engine.begin() as conn:
                result, callbacks = await conn.run_sync(_run, unit)
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            raise _translate(error) from error
        for callback in dict.fromkeys(callbacks):
            callback()
        return result

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on one snapshot; see `Database.read`."""
        try:
            async with self._reading.connect() as conn:
                return await conn.run_sync(unit)
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            raise _translate(error) from error

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Accept and never call: here the job engine listens to NOTIFY and readers poll."""

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()
        await asyncio.sleep(0)


def _run(conn: Connection, unit: Unit[T]) -> tuple[T, list[Callable[[], None]]]:
    try:
        result = unit(conn)
    except BaseException:
        take_callbacks(conn)
        raise
    return result, take_callbacks(conn)


def _with_driver(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


_MEANINGS: dict[str, StoreUnavailable] = {
    "53100": StoreFull("PostgreSQL's disk is full; nothing was stored."),
    "25006": StoreReadOnly("PostgreSQL is read-only: a replica, or being restored."),
    "53300": StoreBusy("PostgreSQL has no free connection; raise max_connections or lower the pool."),
}


def _translate(error: BaseException) -> BaseException:
    """Return our error for one that concerns the server as a whole, else the error itself."""
    if isinstance(error, PoolTimeoutError):
        return StoreBusy("All database connections are in use; raise the pool size or find the leak.")
    if not isinstance(error, DBAPIError):
        return StoreUnavailable(f"PostgreSQL cannot be reached: {error}")
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state in _MEANINGS:
        return _MEANINGS[state]
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if lost and (state is None or state[:2] in {"57", "08"}):
        return StoreUnavailable("PostgreSQL cannot be reached or is restarting; nothing was stored.")
    return error
