"""Pools and buses over a real server, for the tests of Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wireroom.redis.address import read_address
from wireroom.redis.breaker import BreakerRule
from wireroom.redis.bus import Bus
from wireroom.redis.client import PoolRule
from wireroom.redis.pool import RedisPool

PATIENT = PoolRule(connect_seconds=10, command_seconds=10)
"""For tests in which nothing is meant to be late, on any machine."""
QUICK = BreakerRule(first_pause_seconds=0.01, longest_pause_seconds=0.05)
BOUND_SECONDS = 60.0


@asynccontextmanager
async def running_pool(
    url: str, rule: PoolRule = PATIENT, breaker: BreakerRule = QUICK
) -> AsyncIterator[RedisPool]:
    """Lend a pool that looks for its server and has looked once."""
    pool = RedisPool(read_address(url), rule, breaker)
    watch = asyncio.create_task(pool.run())
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            await pool.wait_looked()
        yield pool
    finally:
        await ended(watch)
        await pool.close()


@asynccontextmanager
async def running_bus(pool: RedisPool, heartbeat_seconds: float = 30.0) -> AsyncIterator[Bus]:
    """Lend a bus that listens."""
    async with listening(Bus(pool, heartbeat_seconds=heartbeat_seconds)) as bus:
        yield bus


@asynccontextmanager
async def listening(bus: Bus) -> AsyncIterator[Bus]:
    """Have a bus listen, which may have subscribers already."""
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(BOUND_SECONDS):
            await bus.wait_hearing()
        yield bus
    finally:
        await ended(task)


async def ended(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
