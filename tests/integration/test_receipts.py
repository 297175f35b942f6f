"""Updates that arrive together: one unit, each once and in order, and no neighbour's fault is anybody's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, select

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock
from wireroom.errors import StoreFull
from wireroom.intake.accept import Accepted, Receipt
from wireroom.intake.receipts import Receipts
from wireroom.intake.update import read_update
from wireroom.settings import Settings
from wireroom.store.database import Unit
from wireroom.store.schema import jobs, updates

BOT = 7


def _receipt(update_id: int) -> Receipt:
    chat = {"id": 5, "type": "private", "first_name": "Ann"}
    message = {
        "message_id": update_id,
        "date": 1,
        "chat": chat,
        "from": chat | {"is_bot": False},
        "text": "hello",
    }
    body = msgspec.json.encode({"update_id": update_id, "message": message})
    return Receipt(read_update(body), body.decode())


class _Spied:
    """The database, counting its writes; told to, it fails some of them."""

    def __init__(self, engine: Engine) -> None:
        self._db = engine.db
        self.writes = 0
        self.failures: list[Exception] = []

    async def write(self, unit: Unit[object]) -> object:
        """Count, then fail or write."""
        self.writes += 1
        if self.failures:
            raise self.failures.pop(0)
        return await self._db.write(unit)


@pytest.fixture
async def engine(database_path: Path) -> AsyncIterator[Engine]:
    """Lend a fresh database without a worker."""
    async with open_engine(Settings(data_dir=database_path.parent), SystemClock()) as lent:
        yield lent


def _receipts(engine: Engine, db: _Spied | None = None) -> Receipts:
    return Receipts(db or engine.db, engine.jobs, SystemClock(), bot_id=BOT)  # type: ignore[arg-type]  # its write is all that is used


async def _stored(engine: Engine) -> list[int]:
    def read(conn: Connection) -> list[int]:
        order = select(updates.c.update_id, updates.c.id).order_by(updates.c.id)
        rows = conn.execute(order).all()
        queued = conn.execute(select(jobs.c.ref).order_by(jobs.c.id)).scalars().all()
        assert queued == [str(row.id) for row in rows]
        return [row.update_id for row in rows]

    return await engine.db.read(read)


async def test_updates_that_come_together_share_a_unit_and_keep_their_order(engine: Engine) -> None:
    """A hundred at once take a few writes, not a hundred; rows and jobs are in the order of arrival."""
    db = _Spied(engine)
    receipts = _receipts(engine, db)
    answers = await asyncio.gather(*(receipts.store(_receipt(number)) for number in range(100, 200)))
    assert set(answers) == {Accepted.DURABLE}
    assert await _stored(engine) == list(range(100, 200))
    assert db.writes <= 2


async def test_repetitions_are_told_apart_within_a_unit_and_across(engine: Engine) -> None:
    """Of the same update five times at once, and once more later, one is stored."""
    receipts = _receipts(engine)
    answers = await asyncio.gather(*(receipts.store(_receipt(1)) for _ in range(5)))
    assert sorted(answers) == [Accepted.DUPLICATE] * 4 + [Accepted.DURABLE]
    assert await receipts.store(_receipt(1)) is Accepted.DUPLICATE
    assert await _stored(engine) == [1]


async def test_store_that_is_away_is_everybodys_answer(engine: Engine) -> None:
    """When the disk is full nobody is told that anything is stored, and the next updates are."""
    db = _Spied(engine)
    db.failures = [StoreFull("full")]
    receipts = _receipts(engine, db)
    answers = await asyncio.gather(
        *(receipts.store(_receipt(number)) for number in (1, 2, 3)), return_exceptions=True
    )
    assert all(isinstance(answer, StoreFull) for answer in answers)
    assert await _stored(engine) == []
    assert await receipts.store(_receipt(1)) is Accepted.DURABLE


async def test_update_that_cannot_be_stored_fails_alone(engine: Engine) -> None:
    """An error that is one update's own is found by writing them one by one."""
    db = _Spied(engine)
    db.failures = [ValueError("all"), ValueError("the first alone")]
    receipts = _receipts(engine, db)
    answers = await asyncio.gather(
        *(receipts.store(_receipt(number)) for number in (1, 2, 3)), return_exceptions=True
    )
    assert [isinstance(answer, ValueError) for answer in answers] == [True, False, False]
    assert await _stored(engine) == [2, 3]


async def test_caller_who_leaves_takes_nothing_along(engine: Engine) -> None:
    """A connection that breaks while the write waits neither loses its update nor disturbs its neighbours."""
    receipts = _receipts(engine)
    leaving = asyncio.create_task(receipts.store(_receipt(1)))
    staying = asyncio.create_task(receipts.store(_receipt(2)))
    await asyncio.sleep(0)
    leaving.cancel()
    with suppress(asyncio.CancelledError):
        await leaving
    assert await staying is Accepted.DURABLE
    assert await _stored(engine) == [1, 2]
