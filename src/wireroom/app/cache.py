"""The cache of this installation: its levels by settings, and what is at hand before anybody asks."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any

from wireroom.cache.cache import DISK_FILE, Cache
from wireroom.cache.spread import Spread, installation_of
from wireroom.cache.warming import Warm, keep_tidy, keep_warm
from wireroom.redis.bus import Bus
from wireroom.redis.pool import RedisPool
from wireroom.settings import Settings
from wireroom.store.database import Database


def make_cache(
    settings: Settings, db: Database, redis: RedisPool | None = None, news: Bus | None = None
) -> Cache:
    """Return the process's cache; nothing is opened yet.

    Redis is a level between replicas, so the embedded installation, which has none, does not use it.
    """
    spread = None
    if redis is not None and news is not None and db.dialect != "sqlite":
        spread = Spread(redis, news, installation_of(settings.url))
    return Cache.beside(
        db,
        memory_bytes=settings.cache_memory_bytes,
        disk=settings.data_dir / DISK_FILE if settings.cache_disk_bytes else None,
        disk_bytes=settings.cache_disk_bytes,
        spread=spread,
    )


def cache_chores(cache: Cache, warmers: Mapping[str, Warm]) -> dict[str, Coroutine[Any, Any, None]]:
    """Return the endless parts by name; each is to be a task of its own."""
    found = {
        "cache upkeep": keep_tidy(cache.keep_tidy, cache.tidy_disk),
        "cache warming": keep_warm(warmers),
    }
    if cache.has_replicas:
        found["cache news"] = cache.run_spread()
    return found
