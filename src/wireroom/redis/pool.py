"""The one pool of Redis connections: every command goes through it, in bounded time, or is refused at once.

Redis is never needed. While it is down, callers get `RedisUnavailable` without waiting and go on without it;
`run` looks for it meanwhile, and tells `when_back` listeners once it answers again.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import structlog

from wireroom.errors import RedisUnavailable
from wireroom.perf.metrics import REDIS_IN_USE, REDIS_OPERATIONS, REDIS_SECONDS, REDIS_UP
from wireroom.redis import commands
from wireroom.redis.address import Address
from wireroom.redis.breaker import Breaker, BreakerRule, Failure
from wireroom.redis.client import (
    Denied,
    Late,
    Lost,
    PoolRule,
    close_client,
    forget_connections,
    identity_of,
    open_client,
    scan_page,
    scanned_servers,
    translated,
)
from wireroom.redis.commands import Batch, Command
from wireroom.redis.keys import KeyFamily
from wireroom.redis.tally import note_operations

_SCAN_PAGE = 500
_NOT_LOOKED = "not looked at yet"
_log = structlog.get_logger(__name__)
T = TypeVar("T")


class RedisPool:
    """Redis, as far as the rooms may use it.

    pool = RedisPool(read_address("redis://localhost:6379/0"))
    watch = asyncio.create_task(pool.run())     # looks for Redis; until it was found, nothing is asked
    await pool.setex(CACHE.key("greeting"), 60, b"hello")
    await pool.close()

    Every method raises `RedisUnavailable` while Redis is down, too slow, or has refused; and BadInput for a
    time to live that is not from 1 to 86,400 s.
    """

    def __init__(
        self,
        address: Address,
        rule: PoolRule | None = None,
        breaker: BreakerRule | None = None,
        *,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            address: See `address.read_address`.
            rule: Limits.
            breaker: When to stop asking.
            draw: Gives a share in [0, 1) for the pauses between probes.

        Raises:
            SettingsError: redis-py is missing, or cannot use the address.
        """
        self.address = address
        self.rule = rule or PoolRule()
        self._breaker_rule = breaker or BreakerRule()
        self._draw = draw
        self._client = open_client(address, self.rule)
        # One connection is the bus's, one the probe's.
        self._places = asyncio.Semaphore(max(1, self.rule.connections - 2))
        self._breaker = Breaker(is_open=True, reason=_NOT_LOOKED)
        self._opened = asyncio.Event()
        self._up = asyncio.Event()
        self._looked = asyncio.Event()
        self._looking = asyncio.Lock()
        self._identity: frozenset[str] = frozenset()
        self._listeners: list[Callable[[], None]] = []

    @property
    def is_up(self) -> bool:
        """Whether Redis is asked just now."""
        return not self._breaker.is_open

    @property
    def problem(self) -> str:
        """Why Redis is not asked, for people; empty while it is."""
        return f"{self.address.shown}: {self._breaker.reason}" if self._breaker.is_open else ""

    def when_back(self, listener: Callable[[], None]) -> None:
        """Call back each time Redis answers again, the first time included, or has started anew."""
        self._listeners.append(listener)

    async def wait_up(self) -> None:
        """Return once Redis answers; bound it."""
        await self._up.wait()

    async def wait_looked(self) -> None:
        """Return once Redis was looked for, found or not; bound it."""
        await self._looked.wait()

    async def get(self, key: str) -> bytes | None:
        """Return the value, None when there is none."""
        value: bytes | None = await self._one(commands.get(key))
        return value

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of these keys, in one round trip and in their order."""
        return await self.run_batch(Batch([commands.get(key) for key in keys]))

    async def setex(self, key: str, ttl_seconds: int, value: bytes | str) -> None:
        """Write a value that is gone after the time."""
        await self._one(commands.setex(key, ttl_seconds, value))

    async def setex_many(self, items: Sequence[tuple[str, int, bytes | str]]) -> None:
        """Write values (key, time to live in seconds, value) in one round trip; not a transaction."""
        await self.run_batch(Batch([commands.setex(*item) for item in items]))

    async def delete(self, *keys: str) -> int:
        """Remove keys, in one round trip; return how many there were."""
        return sum(await self.run_batch(Batch([commands.delete(key) for key in keys])))

    async def ttl(self, key: str) -> int | None:
        """Return how long a key lives, seconds; None when it does not exist."""
        seconds: int = await self._one(commands.ttl(key))
        return seconds if seconds >= 0 else None

    async def claim(self, key: str, word: str, ttl_seconds: int) -> bool:
        """Take a key for oneself, under a word that nobody else knows; True when it is ours."""
        return bool(await self._one(commands.claim(key, word, ttl_seconds)))

    async def release(self, key: str, word: str) -> bool:
        """Give a claim back; False when it had run out, or is somebody else's."""
        return bool(await self._one(commands.release(key, word)))

    async def publish(self, channel: str, message: bytes) -> int:
        """Send a message; return how many connections heard it. Use `bus.Bus`, which knows of gaps."""
        heard: int = await self._one(commands.publish(channel, message))
        return heard

    async def scan(self, family: KeyFamily, pattern: str = "*") -> AsyncIterator[str]:
        """Give the family's keys that match, page by page, while Redis serves others between the pages.

        Args:
            family: Whose keys.
            pattern: Of what stands after the family's name, with Redis's `*`, `?`, `[…]`. A key may come
                twice.
        """
        match = f"{family.name}:{pattern}"
        for server in await self._guarded([], lambda: scanned_servers(self._client)):
            cursor = 0
            while True:
                page_at = partial(scan_page, self._client, server, cursor, match, _SCAN_PAGE)
                cursor, page = await self._guarded(["SCAN"], page_at)
                for key in page:
                    yield key.decode()
                if cursor == 0:
                    break

    async def delete_matching(self, family: KeyFamily, pattern: str) -> int:
        """Remove the family's keys that match; return how many. New ones may have come meanwhile."""
        removed, keys = 0, []
        async for key in self.scan(family, pattern):
            keys.append(key)
            if len(keys) == _SCAN_PAGE:
                removed += await self.delete(*keys)
                keys = []
        return removed + (await self.delete(*keys) if keys else 0)

    async def run_batch(self, batch: Batch) -> list[Any]:
        """Send the commands in one round trip and return their replies in order; nothing for no command."""
        if not batch.commands:
            return []

        async def send() -> list[Any]:
            pipe = self._client.pipeline(transaction=False)
            for command in batch.commands:
                pipe.execute_command(*command)
            replies: list[Any] = await pipe.execute()
            return replies

        return await self._guarded([str(command[0]) for command in batch.commands], send)

    async def run(self) -> None:
        """Look for Redis, until cancelled: at once, when it was lost, now and then while nothing happens."""
        while True:
            if await self.look():
                await self._quiet()
            else:
                await asyncio.sleep(self._breaker.pause_seconds(self._breaker_rule, self._draw()))

    async def look(self) -> bool:
        """Ask Redis whether it is there, and go by the answer; True when it is."""
        async with self._looking:
            return await self._look()

    async def _look(self) -> bool:
        was_open = self._breaker.is_open
        try:
            async with asyncio.timeout(self.rule.budget_seconds):
                with translated():
                    if was_open:
                        await forget_connections(self._client)
                    await self._client.ping()
                identity = await identity_of(self._client)
        except (Lost, Late, Denied, TimeoutError) as error:
            self._note_down(self._breaker.probe_failed(str(error) or "no reply in time"))
        else:
            self._note_up(identity)
        self._looked.set()
        return self.is_up

    async def close(self) -> None:
        """Close every connection; what is asked afterwards is refused."""
        self._breaker = Breaker(is_open=True, reason="closed")
        self._up.clear()
        REDIS_UP.set(0)
        with suppress(Lost, Late, Denied), translated():
            async with asyncio.timeout(self.rule.command_seconds + 1):
                await close_client(self._client)

    async def _one(self, command: Command) -> Any:
        return await self._guarded([str(command[0])], lambda: self._client.execute_command(*command))

    async def _guarded(self, names: Sequence[str], send: Callable[[], Awaitable[T]]) -> T:
        """Send commands if Redis is asked at all, in bounded time, and note how it went."""
        if self._breaker.is_open:
            _count(names, "barred")
            raise RedisUnavailable(f"Redis is down ({self.problem}).")
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.rule.budget_seconds):
                reply = await self._in_place(len(names), send)
        except (Lost, Late, TimeoutError) as error:
            failure = Failure.LOST if isinstance(error, Lost) else Failure.LATE
            after = self._breaker.failed(self._breaker_rule, failure, str(error) or "no reply in time")
            if after.is_open:
                self._note_down(after)
            self._breaker = after
            _count(names, failure.value)
            raise RedisUnavailable(f"Redis does not answer ({error or 'no reply in time'}).") from error
        except Denied as error:
            _count(names, "denied")
            raise RedisUnavailable(f"Redis has refused {', '.join(sorted(set(names)))}: {error}.") from error
        REDIS_SECONDS.observe(time.perf_counter() - started)
        _count(names, "ok")
        self._breaker = self._breaker.succeeded()
        return reply

    async def _in_place(self, operations: int, send: Callable[[], Awaitable[T]]) -> T:
        async with self._places:
            # Whoever has waited for a place may find that Redis was lost meanwhile.
            if self._breaker.is_open:
                raise Lost(self._breaker.reason)
            note_operations(operations)
            REDIS_IN_USE.inc()
            try:
                with translated():
                    return await send()
            finally:
                REDIS_IN_USE.dec()

    async def _quiet(self) -> None:
        """Wait until Redis was lost, or has not been looked at for a while."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._breaker_rule.idle_seconds):
                await self._opened.wait()

    def _note_down(self, breaker: Breaker) -> None:
        if not self._breaker.is_open or self._breaker.reason == _NOT_LOOKED:
            _log.warning("redis_down", address=self.address.shown, reason=breaker.reason)
        self._breaker = breaker
        self._up.clear()
        self._opened.set()
        REDIS_UP.set(0)

    def _note_up(self, identity: frozenset[str] = frozenset()) -> None:
        was_open = self._breaker.is_open
        is_another = bool(self._identity) and identity != self._identity
        self._identity = identity
        self._breaker = Breaker()
        self._opened.clear()
        self._up.set()
        REDIS_UP.set(1)
        if was_open or is_another:
            _log.info("redis_up", address=self.address.shown, another=is_another)
            for listener in self._listeners:
                listener()


def _count(names: Sequence[str], result: str) -> None:
    for name in names:
        REDIS_OPERATIONS.labels(name, result).inc()
