"""Knows whether anything was written since: what readers that keep answers must know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from wireroom.store.database import Database, Unit

T = TypeVar("T")


class WatchedDatabase:
    """A database that counts what is written through it, and the commits of others that are noticed."""

    def __init__(self, db: Database) -> None:
        """Pass everything on to `db`."""
        self._db = db
        self._writes = 0
        db.on_outside_change(self._note)

    @property
    def dialect(self) -> str:
        """See `Database.dialect`."""
        return self._db.dialect

    @property
    def state(self) -> int:
        """A number that is another one after each write."""
        return self._writes

    @property
    def sure_state(self) -> int | None:
        """The state of a file, of whose writes every one is heard; None where others write unheard."""
        return self._writes if self._db.dialect == "sqlite" else None

    async def write(self, unit: Unit[T]) -> T:
        """See `Database.write`."""
        try:
            return await self._db.write(unit)
        finally:
            # Also when it failed: who stopped waiting may have waited for a unit that is stored.
            self._writes += 1

    async def read(self, unit: Unit[T]) -> T:
        """See `Database.read`."""
        return await self._db.read(unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """See `Database.on_outside_change`."""
        self._db.on_outside_change(callback)

    async def close(self) -> None:
        """See `Database.close`."""
        await self._db.close()

    def __getattr__(self, name: str) -> Any:
        """Lend what the adapter has beside the port, to those who know which one it is."""
        return getattr(self._db, name)

    def _note(self) -> None:
        self._writes += 1
