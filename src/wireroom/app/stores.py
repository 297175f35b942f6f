"""What a process keeps its state in: the database with its job engine, Redis, and the cache over both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from wireroom.app.cache import cache_folder, make_cache
from wireroom.app.engine import Engine, OpenEngine
from wireroom.app.redis import RedisWork, make_redis_work
from wireroom.app.roles import Role
from wireroom.app.watched_database import WatchedDatabase
from wireroom.cache.cache import Cache
from wireroom.clock import Clock
from wireroom.settings import Settings


@dataclass(frozen=True, slots=True)
class Stores:
    """Them, opened."""

    engine: Engine
    """Its database is the watched one."""
    watched: WatchedDatabase
    redis: RedisWork
    """Does nothing where no Redis is set."""
    cache: Cache


@asynccontextmanager
async def open_stores(
    settings: Settings, role: Role, clock: Clock, open_engine: OpenEngine
) -> AsyncIterator[Stores]:
    """Lend them; they are closed in reverse order.

    Raises:
        StoreUnavailable: the database cannot be used, or another process works on it.
    """
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_engine(settings, clock))
        watched = WatchedDatabase(opened.db)
        redis = make_redis_work(settings, watched, clock)
        stack.push_async_callback(redis.close)
        folder = stack.enter_context(cache_folder(settings, role))
        cache = make_cache(settings, watched, redis.redis, folder)
        stack.push_async_callback(cache.close)
        yield Stores(replace(opened, db=watched), watched, redis, cache)
