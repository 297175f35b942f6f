"""The cache of this installation: its levels by settings, and what is at hand before anybody asks."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from wireroom.api.services import Services
from wireroom.app.redis import Redis
from wireroom.app.roles import Role
from wireroom.cache.cache import DISK_FILE, Cache
from wireroom.cache.spread import Spread, installation_of
from wireroom.cache.warming import keep_tidy, keep_warm
from wireroom.conversations.pages import ConversationPages
from wireroom.settings import Settings
from wireroom.store.database import Database


@contextmanager
def cache_folder(settings: Settings, role: Role) -> Iterator[Path]:
    """Lend where values may be kept on disk: processes that divide the work share the data folder."""
    if role is Role.ALL:
        yield settings.data_dir
        return
    with TemporaryDirectory(prefix="wireroom-cache-", ignore_cleanup_errors=True) as name:
        yield Path(name)


def make_cache(settings: Settings, db: Database, redis: Redis | None, folder: Path) -> Cache:
    """Return the process's cache; nothing is opened yet, and in the folder only what may be lost.

    Redis is a level between replicas, so the embedded installation, which has none, does not use it.
    """
    spread = None
    if redis is not None and db.dialect != "sqlite":
        spread = Spread(redis.pool, redis.bus, installation_of(settings.url))
    return Cache.beside(
        db,
        memory_bytes=settings.cache_memory_bytes,
        disk=folder / DISK_FILE if settings.cache_disk_bytes else None,
        disk_bytes=settings.cache_disk_bytes,
        spread=spread,
    )


def cache_chores(cache: Cache, services: Services) -> dict[str, Coroutine[Any, Any, None]]:
    """Return the endless parts by name; each is to be a task of its own."""
    warmers = {
        "settings": services.system_settings.warm,
        "conversations": ConversationPages(services.db, cache).warm,
    }
    found = {
        "cache upkeep": keep_tidy(cache.keep_tidy, cache.tidy_disk),
        "cache warming": keep_warm(warmers),
    }
    if cache.has_replicas:
        found["cache news"] = cache.run_spread()
    return found
