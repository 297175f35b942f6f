"""Another replica: says when it has heard of each change, in seconds of the machine's steady clock."""

from __future__ import annotations

import asyncio
import logging
import sys
import time

import structlog

from wireroom.cache.cache import Cache
from wireroom.cache.spread import Spread
from wireroom.redis.address import read_address
from wireroom.redis.bus import Bus
from wireroom.redis.pool import RedisPool


async def _listen(url: str) -> None:
    pool = RedisPool(read_address(url))
    bus = Bus(pool)
    cache = Cache("sqlite", spread=Spread(pool, bus, "bench"))

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    async with asyncio.TaskGroup() as parts:
        parts.create_task(pool.run())
        parts.create_task(bus.run())
        parts.create_task(cache.run_spread())
        await bus.wait_hearing()
        cache.watch("red", lambda: say(f"{time.monotonic():.6f}"))
        say("ready")


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    asyncio.run(_listen(sys.argv[1]))
