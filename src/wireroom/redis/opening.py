"""Makes the pool that settings ask for."""

from __future__ import annotations

from wireroom.redis.address import read_address
from wireroom.redis.client import PoolRule
from wireroom.redis.pool import RedisPool
from wireroom.settings import Settings


def open_pool(settings: Settings) -> RedisPool | None:
    """Return the pool, None when no address is set; nothing is connected yet.

    Raises:
        SettingsError: the address cannot be used, or redis-py is missing.
    """
    url = settings.redis_url.get_secret_value()
    if not url:
        return None
    rule = PoolRule(
        connections=settings.redis_connections,
        connect_seconds=settings.redis_connect_seconds,
        command_seconds=settings.redis_command_seconds,
        retries=settings.redis_retries,
    )
    return RedisPool(read_address(url), rule)
