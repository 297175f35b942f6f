"""Planted bottlenecks: each is looked at through the real probes, and each is named first."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from running_service import API_SECRET, client_of, running_service
from wireroom.cache.cache import Cache
from wireroom.cache.names import Cached, Source
from wireroom.perf.bottlenecks import Cause, CauseKind, rank
from wireroom.perf.gather import Period
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.memory import MemoryAlarm
from wireroom.perf.resource_watch import LOOKS, Look, ResourceWatch
from wireroom.perf.sql_scope import Scope
from wireroom.store.plans import look_up_plans
from wireroom.store.sqlite import SqliteDatabase
from wireroom.store.statement import Statement
from wireroom.testing.eventually import eventually

Get = Callable[[str], Awaitable[tuple[int, str]]]
ROWS = 50_000
"""So many that a walk through them costs what is worth a line, however fast the machine is."""
BY_COLOUR = Statement("SELECT count(*) FROM planted WHERE colour = :colour")
BY_ID = Statement("SELECT colour FROM planted WHERE id = :id")


@pytest.fixture
async def planted(database: SqliteDatabase) -> SqliteDatabase:
    """Return a database with a table that has no index but its key."""

    def fill(conn: Connection) -> None:
        conn.exec_driver_sql("CREATE TABLE planted (id INTEGER PRIMARY KEY, colour TEXT)")
        conn.exec_driver_sql(
            "INSERT INTO planted SELECT n, 'c' || (n % 100) FROM (WITH RECURSIVE r(n) AS"
            f" (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {ROWS}) SELECT n FROM r)"
        )

    await database.write(fill)
    return database


def begin(watch: LoopWatch | None = None, resources: ResourceWatch | None = None) -> Period:
    """Begin a period with these watches, or with ones that have seen nothing."""
    return Period(lambda: watch.blocks if watch else (), resources.growth if resources else tuple)


def first_of(period: Period) -> Cause:
    """Return the dearest cause of the period."""
    return rank(period.evidence()).causes[0]


async def test_missing_index_is_named_first(planted: SqliteDatabase) -> None:
    """A statement that walks its table is named with the table and the advice to index it."""
    period = begin()
    for number in range(60):
        await planted.read(partial(BY_COLOUR.value, colour=f"c{number}"))
    await look_up_plans(planted, [one.shape for one in period.evidence().statements])
    found = first_of(period)
    assert (found.kind, "planted" in found.what) == (CauseKind.MISSING_INDEX, True)
    assert "index" in found.advice


async def test_one_query_a_row_is_named_first(planted: SqliteDatabase) -> None:
    """A request that asks for each row by itself is named with its route."""
    period = begin()
    with Scope("request", "GET /planted"):
        for number in range(1, 300):
            await planted.read(partial(BY_ID.value, id=number))
    found = first_of(period)
    assert found.kind is CauseKind.N_PLUS_ONE
    assert any("GET /planted" in sentence for sentence in found.shown_by)


async def test_blocking_call_is_named_first() -> None:
    """What holds the event loop is named by its task."""
    watch = LoopWatch()
    running = asyncio.create_task(watch.run())
    await eventually(lambda: watch.loop_thread, "the watch has begun")
    period = begin(watch)

    async def planted_block() -> None:
        time.sleep(0.4)  # noqa: ASYNC251 - the fault that is looked for

    await asyncio.create_task(planted_block(), name="planted block")
    await eventually(lambda: watch.blocks, "the block is noticed")
    found = first_of(period)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert found.kind is CauseKind.BLOCKED_LOOP
    assert "planted block" in " ".join((found.what, *found.shown_by))


async def test_cache_that_never_hits_is_named_first() -> None:
    """A cache whose every question is new is named with its ratio."""
    what = Cached("planted", "a test", Source.ROWS, timedelta(minutes=1), "nothing", memory_share=0.5)
    cache = Cache()
    kept = cache.open(what, int)

    async def compute() -> int:
        await asyncio.sleep(0.002)
        return 1

    period = begin()
    for number in range(40):
        await kept.get_or_compute(f"never the same {number}", compute)
    await cache.close()
    found = first_of(period)
    assert (found.kind, found.what) == (CauseKind.USELESS_CACHE, "planted (memory)")
    assert "0%" in found.shown_by[0]


async def test_pool_of_one_is_named_first(database_path: Path) -> None:
    """Readers that queue for one connection are named with their pool."""
    database = SqliteDatabase(database_path, readers=1)
    period = begin()
    await asyncio.gather(*(database.read(lambda _: time.sleep(0.005)) for _ in range(30)))
    found = first_of(period)
    await database.close()
    assert found.kind is CauseKind.SMALL_POOL
    assert "1 free" in found.shown_by[0]


async def test_leak_is_named_first() -> None:
    """What grows in every look and never comes back is named by its kind and name."""
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    watch = ResourceWatch(alarm=MemoryAlarm(0), alert=tell)
    for number in range(LOOKS):
        tasks = {"planted": 10 + 40 * number, "http": 5}
        await watch.take(Look({"tasks": tasks, "descriptors": {"socket": 9}, "rss": {"process": 1}}))
    period = begin(resources=watch)
    await asyncio.sleep(0.02)
    found = first_of(period)
    assert (found.kind, found.what) == (CauseKind.LEAK, "tasks: planted")


@pytest.fixture
async def client(database_path: Path) -> AsyncIterator[Get]:
    """Lend a caller of a running service, with its secret."""
    async with running_service(database_path.parent) as service, client_of(service) as http:

        async def get(path: str) -> tuple[int, str]:
            async with http.get(path, headers={"Authorization": f"Bearer {API_SECRET}"}) as answer:
                return answer.status, await answer.text()

        yield get


async def test_running_service_tells_its_bottlenecks(client: Get) -> None:
    """The route answers JSON and a page, refuses nonsense, and looks for as long as it is asked to."""
    status, text = await client("/admin/bottlenecks?seconds=0.05")
    report = json.loads(text)
    assert status == 200
    assert report["seconds"] >= 0.05
    status, page = await client("/admin/bottlenecks?format=html")
    assert (status, page.startswith("<!doctype html>")) == (200, True)
    status, refusal = await client("/admin/bottlenecks?seconds=99")
    assert (status, "at most 60" in refusal) == (400, True)
