"""The values of one name: found in memory, else below, else computed, once however many ask.

A computation is a task of its own, so that a caller who leaves does not end it for the others. Each one knows
whether what it read has changed since it began; then its value serves those who asked before the change, is
not kept, and who asks later begins another.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

import structlog

from wireroom.cache import packing
from wireroom.cache.below import Below, Found, Tickets
from wireroom.cache.changes import Changed
from wireroom.cache.figures import NameFigures
from wireroom.cache.lower import Address, Lower
from wireroom.cache.memory import Entry, MemoryLevel
from wireroom.cache.names import Cached, Level
from wireroom.cache.policy import Times, times_of

T = TypeVar("T")
R = TypeVar("R")
Compute = Callable[[], Awaitable[T]]
IsCurrent = Callable[[T], Awaitable[bool]]
_YOUNG = 0.5
"""A value made anew must have at least this share of its time left."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Flight(Generic[T]):
    """A computation under way."""

    where: Address
    began: float
    outdated: bool = False
    task: asyncio.Task[T] = field(init=False)


class Kept(Generic[T]):
    """The values of one name, of one type."""

    def __init__(
        self,
        what: Cached,
        type_: Any,
        *,
        memory_bytes: int,
        lower: Sequence[Lower],
        seconds: Callable[[], float | None],
        draw: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        """Begin empty; made by `Cache.open`.

        Args:
            what: Its declaration.
            type_: What the values are, so that they can be read back from below memory.
            memory_bytes: The bound in memory.
            lower: The levels below, the fastest first.
            seconds: Tells how long a value may be kept now; None for not at all.
            draw: A random number in [0, 1).
            monotonic: Seconds that never run backwards.
        """
        self.what = what
        self._seconds = seconds
        self.figures = NameFigures(what.name)
        self.memory: MemoryLevel[T] = MemoryLevel(memory_bytes, self._dropped)
        self._entries = self.memory.entries
        self._below: Below[T] = Below(type_, lower, self.figures)
        self._draw = draw
        self._now = monotonic
        self._flights: dict[str, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @overload
    async def get_or_compute(
        self,
        key: str,
        compute: Compute[T],
        *,
        tags: Sequence[str] = (),
        is_current: IsCurrent[T] | None = None,
    ) -> T: ...
    @overload
    async def get_or_compute(
        self, key: str, compute: Compute[T | None], *, tags: Sequence[str] = ()
    ) -> T | None: ...
    async def get_or_compute(
        self,
        key: str,
        compute: Compute[Any],
        *,
        tags: Sequence[str] = (),
        is_current: IsCurrent[T] | None = None,
    ) -> T | None:
        """Return the kept value, or compute it and keep it. None is never kept.

        Args:
            key: Which value; the whole identity of who may see it must be in it.
            compute: Makes the value, which nobody may change afterwards: all callers share it.
            tags: What the value depends on; told by `changes`.
            is_current: Proves a kept value before it is given, for what nobody tells of.
        """
        entry = self._entries.get(key)
        if entry is not None and is_current is None and entry.fresh_until > self._now():
            entry.used = True
            self.figures.memory_hits += 1
            return entry.value
        if self._seconds() is None:
            self.figures.bypassed()
            computed: T | None = await compute()
            return computed
        return await self._find(Address(self.what.name, key, tags), compute, is_current)

    def hear(self, changed: Changed) -> None:
        """Forget what is no longer true, and keep nothing of what is being computed from it."""
        for flight in tuple(self._flights.values()):
            if changed.touches(self.what.name, flight.where.key, flight.where.tags):
                self._outdate(flight)
        for tag in changed.tags:
            self.memory.drop_tag(tag)
        for name, key in changed.keys:
            if name == self.what.name:
                self.memory.drop(key, "invalidated")
        for name, pattern in changed.patterns:
            if name == self.what.name:
                self.memory.drop_matching(pattern)

    def forget_all(self) -> None:
        """Forget everything in memory: nobody knows what has changed."""
        for flight in list(self._flights.values()):
            self._outdate(flight)
        self.memory.clear()

    async def settled(self) -> None:
        """Return once what is being computed and stored now is done."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        """End what is being computed."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel("the cache closes")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _outdate(self, flight: _Flight[T]) -> None:
        flight.outdated = True
        self._land(flight)

    async def _find(self, where: Address, compute: Compute[T], is_current: IsCurrent[T] | None) -> T:
        arrived = self._now()
        while True:
            entry = self._entries.get(where.key)
            if entry is not None and await self._may_be_given(where.key, entry, is_current):
                return self._given(entry, where, compute)
            flight = self._flights.get(where.key)
            if flight is None:
                self.figures.missed(Level.MEMORY)
                flight = self._begin(where, compute, is_current)
            elif is_current is not None and flight.began <= arrived:
                # It may have read before what the caller has written: wait, then prove what it has left.
                await asyncio.wait((flight.task,))
                continue
            else:
                self.figures.joined()
            return await asyncio.shield(flight.task)

    async def _may_be_given(self, key: str, entry: Entry[T], is_current: IsCurrent[T] | None) -> bool:
        if entry.times.expires_at <= self._now():
            self.memory.drop(key, "expired")
            return False
        if is_current is None or await is_current(entry.value):
            return True
        if self._entries.get(key) is entry:
            self.memory.drop(key, "invalidated")
        return False

    def _given(self, entry: Entry[T], where: Address, compute: Compute[T]) -> T:
        """Return a value that may be given; one near its end is made anew beside."""
        entry.used = True
        self.figures.memory_hits += 1
        if entry.fresh_until <= self._now() and where.key not in self._flights:
            self.figures.refreshed_early()
            flight = self._begin(where, compute, None, anew=True)
            flight.task.add_done_callback(_note_failure)
        return entry.value

    def _begin(
        self, where: Address, compute: Compute[T], is_current: IsCurrent[T] | None, *, anew: bool = False
    ) -> _Flight[T]:
        flight: _Flight[T] = _Flight(where, self._now())
        self._flights[where.key] = flight
        flight.task = self._spawn(self._fetch(flight, compute, is_current, anew=anew))
        flight.task.add_done_callback(lambda _: self._land(flight))
        return flight

    def _land(self, flight: _Flight[T]) -> None:
        if self._flights.get(flight.where.key) is flight:
            del self._flights[flight.where.key]

    async def _fetch(
        self, flight: _Flight[T], compute: Compute[T], is_current: IsCurrent[T] | None, *, anew: bool
    ) -> T:
        """Return the value from the fastest level that has it, else computed; keep it above and below."""

        async def serves(found: Found[T]) -> bool:
            if anew and found.age > found.ttl * _YOUNG:
                return False
            return is_current is None or await is_current(found.value)

        found, tickets = await self._below.look(flight.where, serves)
        if found is None:
            return await self._compute(flight, compute, is_current, tickets)
        seconds = self._seconds()
        if seconds is not None and not flight.outdated and found.age < min(seconds, found.ttl):
            left = min(seconds, found.ttl) - found.age
            times = self._times(self._now(), left, cost=0.0)
            self.memory.put(flight.where.key, found.value, times, found.bytes, flight.where.tags)
            self.figures.promoted(Level.MEMORY)
        return found.value

    async def _compute(
        self, flight: _Flight[T], compute: Compute[T], is_current: IsCurrent[T] | None, tickets: Tickets
    ) -> T:
        started, made_at = time.perf_counter(), time.time()
        try:
            value = await compute()
        except BaseException:
            await self._below.give_up(flight.where, tickets)
            raise
        cost = time.perf_counter() - started
        self.figures.computed(cost)
        # What cannot be proved at once, or has changed meanwhile, will not be proved later.
        provable = value is not None and (is_current is None or await is_current(value))
        seconds = self._seconds()
        if not provable or flight.outdated or seconds is None:
            await self._below.give_up(flight.where, tickets)
            return value
        encoded = packing.encode(value)
        # From before the rows were read: what changed while they were is as old as that.
        times = self._times(flight.began, seconds, cost)
        self.memory.put(flight.where.key, value, times, len(encoded), flight.where.tags)
        if self._below.levels:
            # Nobody waits for this.
            self._spawn(self._below.keep(flight.where, encoded, made_at, seconds, tickets))
        return value

    def _times(self, made_at: float, seconds: float, cost: float) -> Times:
        return times_of(made_at, seconds, cost, jitter=self._draw(), draw=1.0 - self._draw())

    def _spawn(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.create_task(work, name=f"cache {self.what.name}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # Those who wait are given it; when all have left, it is nobody's.

    def _dropped(self, entry: Entry[T], reason: str) -> None:
        self.figures.dropped(Level.MEMORY, reason, self._now() - entry.times.made_at)


def _note_failure(task: asyncio.Task[Any]) -> None:
    """Log that a value could not be made anew; the next caller after its end tries again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("cache_refresh_failed", task=task.get_name(), reason=str(error))
