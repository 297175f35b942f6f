"""The port to the database: a unit of work is a plain function of a SQLAlchemy Core connection.

`write` runs a unit in a transaction and returns once it is durable; `read` runs one on a snapshot.
Adapters: `store.sqlite` (group commit on one writer thread) and `store.postgres` (a pool).
What a unit must not do: commit, roll back, open connections, await, or keep the connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Unit = Callable[[Connection], T]

_AFTER_COMMIT = "wireroom_after_commit"
_DRIVER = "wireroom_driver"
_SQLITE = "wireroom_sqlite"


class Database(Protocol):
    """Where all state lives."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    async def write(self, unit: Unit[T]) -> T:
        """Run the unit in a transaction and return its result once the commit is durable.

        When the unit raises, its writes are undone and the exception is passed on; units that share the
        commit are not affected. Cancelling the wait does not undo a unit that has already been taken up.

        Raises:
            StoreUnavailable: nothing was stored; the class says why.
        """
        ...

    async def read(self, unit: Unit[T]) -> T:
        """Run the unit on one consistent snapshot; a write in it is refused by the database."""
        ...

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Call back on the event loop, within about 250 ms, when another process has committed."""
        ...

    async def close(self) -> None:
        """Finish the writes under way, then release every connection and thread."""
        ...


def after_commit(conn: Connection, callback: Callable[[], None]) -> None:
    """Have `callback` called on the event loop once the unit that holds `conn` is durable.

    Equal callbacks of one commit are called once. Dropped when the unit or its commit fails.
    """
    conn.__dict__.setdefault(_AFTER_COMMIT, []).append(callback)


def take_callbacks(conn: Connection) -> list[Callable[[], None]]:
    """Return and forget the callbacks that the unit just run has left on its connection."""
    callbacks: list[Callable[[], None]] = conn.__dict__.pop(_AFTER_COMMIT, [])
    return callbacks


def sqlite_driver(conn: Connection) -> Any:
    """Return the driver's own connection when it is SQLite's, else None; for every hot statement."""
    found = conn.__dict__.get(_SQLITE, False)
    if found is False:
        found = conn.__dict__[_SQLITE] = driver(conn) if conn.dialect.name == "sqlite" else None
    return found


def driver(conn: Connection) -> Any:
    """Return the driver's own connection, for the few hottest statements (same transaction)."""
    known = conn.__dict__.get(_DRIVER)
    if known is None:
        # SQLAlchemy walks three proxies for it each time; a connection of ours keeps its driver for life.
        known = conn.__dict__[_DRIVER] = conn.connection.driver_connection
    return known
