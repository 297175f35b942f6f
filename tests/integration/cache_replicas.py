"""Replicas of the cache over one Redis: in this process, or as a program of their own.

`python cache_replicas.py URL FILE` is a replica that keeps the file's text. It answers each line that it
reads by one line: the text as it has it, and how often it has read the file.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from redis_fixtures import ended, running_pool

from wireroom.cache.cache import Cache
from wireroom.cache.names import Cached, Level, Source
from wireroom.cache.spread import Spread
from wireroom.redis.bus import Bus
from wireroom.redis.pool import RedisPool

BOUND_SECONDS = 60.0
ROWS = Cached(
    "rows", "rows", Source.ROWS, timedelta(minutes=5), "a test", memory_share=0.5, lower=(Level.REDIS,)
)
LOCAL = Cached("local", "rows", Source.ROWS, timedelta(minutes=5), "a test", memory_share=0.5)


@dataclass(frozen=True, slots=True)
class Replica:
    """One process's cache, with its way to the others."""

    cache: Cache
    spread: Spread
    pool: RedisPool
    bus: Bus


@asynccontextmanager
async def replica(url: str, dialect: str = "sqlite") -> AsyncIterator[Replica]:
    """Lend a replica that hears the others; with `sqlite` it keeps values until it is told."""
    async with running_pool(url) as pool:
        bus = Bus(pool)
        spread = Spread(pool, bus, "test")
        cache = Cache(dialect, spread=spread, draw=lambda: 0.0)
        tasks = [asyncio.create_task(bus.run()), asyncio.create_task(cache.run_spread())]
        try:
            async with asyncio.timeout(BOUND_SECONDS):
                await bus.wait_hearing()
            yield Replica(cache, spread, pool, bus)
        finally:
            await cache.close()
            for task in tasks:
                await ended(task)


async def _serve(url: str, file: Path) -> None:
    async with replica(url) as one:
        kept = one.cache.open(LOCAL, str)
        readings = 0

        async def read() -> str:
            nonlocal readings
            readings += 1
            return await asyncio.to_thread(file.read_text)

        while await asyncio.to_thread(sys.stdin.readline):
            found = await kept.get_or_compute("file", read, tags=("file",))
            sys.stdout.write(f"{found} {readings}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(_serve(sys.argv[1], Path(sys.argv[2])))
