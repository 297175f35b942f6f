"""A whole service in the test's own process, on a migrated file and a port of its own; or in a cluster."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy import Connection

from cluster import IS_CLUSTER
from clustered_service import clustered
from wireroom.app.engine import Engine, OpenEngine, open_engine
from wireroom.app.service import Service
from wireroom.clock import Clock
from wireroom.errors import StoreUnavailable
from wireroom.settings import Settings
from wireroom.store.database import Database, Unit
from wireroom.testing import BotAPIServer

T = TypeVar("T")

API_SECRET = "api-secret-of-the-test"
WEBHOOK_SECRET = "webhook-secret-of-the-test"
OWNER = 7
"""The one person whom the settings allow."""


@asynccontextmanager
async def running_service(
    data_dir: Path, telegram: BotAPIServer | None = None, engine: OpenEngine = open_engine, **settings: Any
) -> AsyncIterator[Service]:
    """Run a service with known secrets and the demo agent.

    Args:
        data_dir: With a migrated `wireroom.sqlite3`, see the fixture `database_path`.
        telegram: Where its bot lives; None for no bot.
        engine: Opens the database; `faulty_engine` puts a fault in between.
        settings: More settings, by field name.
    """
    known: dict[str, Any] = {
        "data_dir": data_dir,
        "port": 0,
        "backend": "demo",
        "webhook_secret": API_SECRET,
        "telegram_webhook_secret": WEBHOOK_SECRET,
        "allowed_users": (OWNER,),
        "drain_seconds": 1.0,
    }
    if telegram is not None:
        known |= {"bot_token": telegram.token, "telegram_api_url": telegram.url}
    wanted = Settings(**{**known, **settings})
    on_cluster = IS_CLUSTER and engine is open_engine
    async with clustered(wanted) if on_cluster else Service(wanted, engine=engine) as service:
        yield service


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend an HTTP client whose paths are the service's."""
    async with aiohttp.ClientSession(service.address, timeout=aiohttp.ClientTimeout(total=20)) as session:
        yield session


class StoreFault:
    """A switch: while `reason` is set, the database refuses with it."""

    def __init__(self) -> None:
        self.reason: str | None = None

    @asynccontextmanager
    async def engine(self, settings: Settings, clock: Clock) -> AsyncIterator[Engine]:
        """Open the product's own engine with the switch in front of its database."""
        async with open_engine(settings, clock) as engine:
            yield dataclasses.replace(engine, db=_RefusingDatabase(engine.db, self))


class _RefusingDatabase:
    def __init__(self, db: Database, fault: StoreFault) -> None:
        self._db = db
        self._fault = fault

    @property
    def dialect(self) -> str:
        return self._db.dialect

    async def write(self, unit: Unit[T]) -> T:
        self._refuse()
        return await self._db.write(unit)

    async def read(self, unit: Unit[T]) -> T:
        self._refuse()
        return await self._db.read(unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        self._db.on_outside_change(callback)

    async def close(self) -> None:
        await self._db.close()

    def _refuse(self) -> None:
        if self._fault.reason is not None:
            raise StoreUnavailable(self._fault.reason)


def count(table: str) -> Unit[int]:
    """Return the unit that counts a table's rows."""

    def unit(conn: Connection) -> int:
        return int(conn.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())

    return unit
