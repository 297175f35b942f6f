"""One suite for both databases: what `Database` promises to the rooms."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from wireroom.errors import StoreBusy, StoreUnavailable
from wireroom.store.database import Database, after_commit
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.schema import access_codes, audit

pytestmark = pytest.mark.timeout(60)


def _note(conn: Connection, subject: str) -> None:
    conn.execute(insert(audit).values(created_at=1, who="test", action="note", subject=subject))


def _subjects(conn: Connection) -> list[str]:
    return list(conn.scalars(select(audit.c.subject).order_by(audit.c.id)))


async def test_write_returns_the_units_result_and_keeps_its_rows(db: Database) -> None:
    """A unit's result comes back and what it wrote can be read."""

    def unit(conn: Connection) -> str:
        _note(conn, "kept")
        return "result"

    assert await db.write(unit) == "result"
    assert await db.read(_subjects) == ["kept"]


async def test_failing_unit_leaves_nothing_and_raises_its_own_error(db: Database) -> None:
    """A unit that raises is undone as a whole, and its caller gets the exception itself."""

    def unit(conn: Connection) -> None:
        _note(conn, "half done")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await db.write(unit)
    assert await db.read(_subjects) == []


async def test_failing_unit_does_not_harm_its_neighbours(db: Database) -> None:
    """Of many units at once, those that fail are undone and all the others are kept, each exactly once."""

    def unit(conn: Connection, number: int) -> int:
        _note(conn, f"{number:03}")
        if number % 3 == 0:
            raise LookupError(str(number))
        return number

    results = await asyncio.gather(
        *(db.write(partial(unit, number=number)) for number in range(60)), return_exceptions=True
    )

    assert [type(result) for result in results[:3]] == [LookupError, int, int]
    kept = await db.read(_subjects)
    assert sorted(kept) == [f"{number:03}" for number in range(60) if number % 3]


async def test_broken_constraint_reaches_only_the_unit_that_broke_it(db: Database) -> None:
    """A unique rule broken by one unit is an IntegrityError for it and nothing for the others."""

    def session(conn: Connection) -> None:
        conn.execute(insert(access_codes).values(digest="same", purpose="login", created_at=1, expires_at=2))

    results = await asyncio.gather(
        db.write(session),
        db.write(session),
        db.write(lambda conn: _note(conn, "bystander")),
        return_exceptions=True,
    )

    assert sorted(type(result).__name__ for result in results) == ["IntegrityError", "NoneType", "NoneType"]
    assert any(isinstance(result, IntegrityError) for result in results)
    assert await db.read(_subjects) == ["bystander"]


async def test_unit_sees_its_own_writes_and_all_earlier_commits(db: Database) -> None:
    """Inside a unit, reads see what it wrote and what was committed before."""
    await db.write(lambda conn: _note(conn, "before"))

    def unit(conn: Connection) -> list[str]:
        _note(conn, "mine")
        return _subjects(conn)

    assert await db.write(unit) == ["before", "mine"]


async def test_after_commit_is_called_once_for_equal_callbacks_and_only_after_success(db: Database) -> None:
    """Callbacks run on the event loop after the commit, equal ones once, those of a failed unit never."""
    called: list[str] = []

    def good() -> None:
        called.append("good")

    def failing(conn: Connection) -> None:
        after_commit(conn, lambda: called.append("failed"))
        raise LookupError

    def twice(conn: Connection) -> None:
        after_commit(conn, good)
        after_commit(conn, good)
        assert called == []

    await db.write(twice)
    with pytest.raises(LookupError):
        await db.write(failing)
    await db.write(lambda conn: _note(conn, "later"))
    assert called == ["good"]


async def test_read_sees_one_snapshot_while_others_commit(db: Database) -> None:
    """Two looks inside one read agree, whatever is committed between them."""
    await db.write(lambda conn: _note(conn, "first"))
    loop = asyncio.get_running_loop()

    def look_twice(conn: Connection) -> tuple[int, int]:
        before = conn.scalar(select(func.count()).select_from(audit))
        if db.dialect == "sqlite":
            asyncio.run_coroutine_threadsafe(db.write(lambda c: _note(c, "meanwhile")), loop).result(10)
        else:
            _commit_elsewhere(conn)
        return before or 0, conn.scalar(select(func.count()).select_from(audit)) or 0

    assert await db.read(look_twice) == (1, 1)
    assert len(await db.read(_subjects)) == 2


def _commit_elsewhere(conn: Connection) -> None:
    """Commit a row on another connection, from inside a unit that must not await."""
    import psycopg  # noqa: PLC0415 - only the PostgreSQL half needs the driver

    url = conn.engine.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(url) as other:
        other.execute(
            "INSERT INTO audit (created_at, who, action, subject) VALUES (1, 'test', 'note', 'meanwhile')"
        )


async def test_read_cannot_write(db: Database) -> None:
    """A write inside a read is refused by the database itself."""
    with pytest.raises((DBAPIError, StoreUnavailable)):
        await db.read(lambda conn: _note(conn, "smuggled"))
    assert await db.read(_subjects) == []


async def test_reads_and_writes_run_side_by_side(db: Database) -> None:
    """A hundred writes and a hundred reads at once all answer, and the counter ends exact."""
    await db.write(lambda conn: _note(conn, "counter"))

    def add(conn: Connection) -> None:
        conn.execute(update(audit).values(created_at=audit.c.created_at + 1))

    await asyncio.gather(*(db.write(add) for _ in range(100)), *(db.read(_subjects) for _ in range(100)))
    assert await db.read(lambda conn: conn.scalar(select(audit.c.created_at))) == 101


async def test_cancelled_wait_does_not_disturb_other_units(db: Database) -> None:
    """A caller that gives up waiting leaves the database working for everybody else."""
    waiting = [asyncio.create_task(db.write(lambda conn: _note(conn, "given up"))) for _ in range(20)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await db.write(lambda conn: _note(conn, "kept"))
    assert "kept" in await db.read(_subjects)


async def test_close_finishes_the_writes_under_way(db: Database) -> None:
    """What was handed over before `close` is stored; what comes after is refused."""
    writes = [asyncio.create_task(db.write(lambda conn: _note(conn, "w"))) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.wait_for(db.close(), 20)
    assert await asyncio.gather(*writes) == [None] * 50
    with pytest.raises(StoreUnavailable):
        await db.write(lambda conn: _note(conn, "late"))
    with pytest.raises(StoreUnavailable):
        await db.read(_subjects)


@pytest.mark.postgres
async def test_unit_that_loses_a_deadlock_stores_nothing_and_may_be_repeated(
    request: pytest.FixtureRequest,
) -> None:
    """PostgreSQL ends one of two units that wait for each other: for its caller the database was busy."""

    def lock(first: int, second: int, conn: Connection) -> None:
        conn.execute(select(func.pg_advisory_xact_lock(first), func.pg_sleep(0.2)))
        conn.execute(select(func.pg_advisory_xact_lock(second)))

    with request.getfixturevalue("postgres").database() as url:
        db = PostgresDatabase(url)
        try:
            units = (db.write(partial(lock, 1, 2)), db.write(partial(lock, 2, 1)))
            ended = await asyncio.gather(*units, return_exceptions=True)
        finally:
            await db.close()
    assert [type(one) for one in ended if one is not None] == [StoreBusy]
