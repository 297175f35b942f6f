"""What limits that many processes share cost: a permit to send, and the budget of a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from bench.harness import Measurement, Timer, benchmark, scaled
from wireroom.api.budgets import Budget
from wireroom.api.shared_budgets import Budgets, Charge, MemoryBudgets, PostgresBudgets, RedisBudgets
from wireroom.clock import SystemClock
from wireroom.delivery.lanes import LaneRules
from wireroom.delivery.shared_permits import SharedPermits
from wireroom.redis.address import read_address
from wireroom.redis.pool import RedisPool
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.postgres_server import running_postgres
from wireroom.testing.redis_server import running_redis

_QUESTIONS = 400
_PROCESSES = 3
_AT_ONCE = 10
_BOT = 1
_FREE = LaneRules(overall_limit=1_000_000, chat_spacing_seconds=0, edit_spacing_seconds=0)
_WIDE = Budget(1_000_000)
_NOTHING = text("SELECT 1")
_BARE = "a transaction of one SELECT"


@benchmark("limits-shared")
async def shared_limits() -> AsyncIterator[Measurement]:
    """Measure what one permit and one charge take, alone and with three processes that want them at once."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as redis:
        async with _databases() as databases, _pool(redis.url) as pool:
            numbers = count(1)
            processes = [SharedPermits(db, _BOT, _FREE, SystemClock()) for db in databases]
            bare = await _each(lambda: databases[0].write(lambda conn: conn.execute(_NOTHING)))
            alone = await _each(lambda: processes[0].ask(next(numbers), "edit"))
            closed = await _each(lambda: processes[0].flood(next(numbers), 0))
            yield _against("permit to send, one at a time", alone, _BARE, bare)
            yield _against("flood wait noted, committed with fsync", closed, _BARE, bare, fsync="on")
            together, seconds = await _crowd(processes)
            yield Measurement("permit to send, 3 processes, 30 askers: wait", together, "ms", fsync="off")
            yield Measurement(
                "permits to send, 3 processes, 30 askers", [len(together) / seconds], "/s", fsync="off"
            )
            for name, budgets in (
                ("memory", MemoryBudgets(time.monotonic)),
                ("PostgreSQL", PostgresBudgets(databases[0], "x")),
                ("Redis", RedisBudgets(pool, "x")),
            ):
                yield _against(f"budget of a request, {name}", await _charges(budgets), _BARE, bare)


def _against(
    what: str, samples: Sequence[float], name: str, others: Sequence[float], fsync: str = "off"
) -> Measurement:
    return Measurement(what, samples, "ms", name, sorted(others)[len(others) // 2], fsync=fsync)


@asynccontextmanager
async def _databases() -> AsyncIterator[Sequence[PostgresDatabase]]:
    async with AsyncExitStack() as stack:
        url = stack.enter_context(stack.enter_context(running_postgres()).database())
        databases = [PostgresDatabase(url) for _ in range(_PROCESSES)]
        for db in databases:
            stack.push_async_callback(db.close)
        yield databases


@asynccontextmanager
async def _pool(url: str) -> AsyncIterator[RedisPool]:
    pool = RedisPool(read_address(url))
    await pool.look()
    try:
        yield pool
    finally:
        await pool.close()


async def _each(ask: Callable[[], Awaitable[object]]) -> list[float]:
    """Return the milliseconds of one question after the other."""
    samples = []
    for _ in range(scaled(_QUESTIONS)):
        begun = time.perf_counter()
        await ask()
        samples.append((time.perf_counter() - begun) * 1_000)
    return samples


async def _charges(budgets: Budgets) -> list[float]:
    return await _each(lambda: budgets.charge([Charge("bench", _WIDE, "program")]))


async def _crowd(processes: Sequence[SharedPermits]) -> tuple[list[float], float]:
    """Return the waits of askers who never stop, each for chats of its own, and how long it took."""
    samples: list[float] = []
    timer = Timer()

    async def asker(permits: SharedPermits, first: int) -> None:
        for number in range(scaled(_QUESTIONS) // _AT_ONCE):
            begun = time.perf_counter()
            await permits.ask(first + number, "edit")
            samples.append((time.perf_counter() - begun) * 1_000)

    await asyncio.gather(
        *(asker(one, 1_000 * n) for n, one in enumerate(list(processes) * _AT_ONCE, start=1))
    )
    return samples, timer.seconds
