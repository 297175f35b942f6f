"""Redis of this installation, where `REDIS_URL` names one: the pool, the bus, and what is kept in step."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wireroom.api.callback_inbox import OlderRequests
from wireroom.api.shared_budgets import Budgets, FirstBudgets, MemoryBudgets, PostgresBudgets, RedisBudgets
from wireroom.callbacks.pending_states import PendingStates
from wireroom.clock import Clock
from wireroom.jobs.port import Jobs
from wireroom.perf.metrics import REDIS_REQUEST_OPERATIONS
from wireroom.redis.bus import Bus
from wireroom.redis.opening import open_pool
from wireroom.redis.pool import RedisPool
from wireroom.redis.tally import counted
from wireroom.settings import Settings
from wireroom.store.database import Database

OPERATIONS_HEADER = b"x-wireroom-redis-operations"


@dataclass(frozen=True, slots=True)
class Redis:
    """What there is where an address is set."""

    pool: RedisPool
    bus: Bus


@dataclass(frozen=True, slots=True)
class RedisWork:
    """What the service does with Redis: nothing where no address is set."""

    redis: Redis | None
    states: PendingStates | None
    tells: bool = False
    """Whether an answer says how many commands it took."""

    def chores(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the endless parts by name; each is to run as a task of its own."""
        if self.redis is None or self.states is None:
            return {}
        return {
            "redis": self.redis.pool.run(),
            "redis news": self.redis.bus.run(),
            "callback states": self.states.run(),
        }

    def health(self) -> Mapping[str, str]:
        """Return the line of `/ready`."""
        if self.redis is None:
            return {}
        problem = self.redis.pool.problem
        return {"redis": f"degraded: {problem}" if problem else "ok"}

    def older_requests(self, jobs: Jobs, bot_id: int) -> OlderRequests | None:
        """Return what answers the requests of an older front end; None without a bot or Redis."""
        return OlderRequests(self.states, jobs, bot_id) if self.states is not None and bot_id else None

    def budgets(self, db: Database, clock: Clock, secret: str) -> Budgets:
        """Return who remembers what callers spend: one process by itself, several where all can look.

        Args:
            db: The service's own; where many processes share it, they share the budgets.
            clock: Its steady time counts in this process.
            secret: Keys what is written of callers; the same in every process.
        """
        alone = MemoryBudgets(clock.monotonic)
        if db.dialect == "sqlite":
            return alone
        if self.redis is None:
            return FirstBudgets(PostgresBudgets(db, secret), alone)
        return FirstBudgets(RedisBudgets(self.redis.pool, secret), alone)

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Return the application with the Redis commands of its requests counted."""
        return app if self.redis is None else CountsRedis(app, tells=self.tells)

    async def close(self) -> None:
        """Close every connection."""
        if self.redis is not None:
            await self.redis.pool.close()


def open_redis(settings: Settings) -> Redis | None:
    """Return the pool and the bus, None when no address is set; nothing is connected yet.

    Raises:
        SettingsError: the address cannot be used, or redis-py is missing.
    """
    pool = open_pool(settings)
    return None if pool is None else Redis(pool, Bus(pool))


def make_redis_work(settings: Settings, db: Database, clock: Clock) -> RedisWork:
    """Return the service's use of Redis.

    Raises:
        SettingsError: see `open_redis`.
    """
    redis = open_redis(settings)
    if redis is None:
        return RedisWork(None, None)
    states = PendingStates(db, redis.pool, clock, ttl_seconds=settings.callback_state_seconds)
    return RedisWork(redis, states, tells=settings.log_level == "debug")


class CountsRedis:
    """Counts the Redis commands of each HTTP request; when debugging, the answer says how many there were."""

    def __init__(self, app: ASGIApp, *, tells: bool) -> None:
        """Serve `app`; `tells` has each answer carry the number of commands before it began."""
        self._app = app
        self._tells = tells

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with counted() as tally:

            async def telling(message: Message) -> None:
                if message["type"] == "http.response.start":
                    number = str(tally.operations).encode()
                    message["headers"] = [*message.get("headers", ()), (OPERATIONS_HEADER, number)]
                await send(message)

            await self._app(scope, receive, telling if self._tells else send)
        if tally.operations:
            REDIS_REQUEST_OPERATIONS.observe(tally.operations)
