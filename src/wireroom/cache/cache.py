"""The cache of one process: its names, its levels, and what it hears of changes.

    pages = cache.open(CONVERSATIONS, Page)
    page = await pages.get_or_compute(key, read_page, tags=("conversations",))

Where nobody would tell of changes (docs/adr/0016), or when it is switched off, every value is computed.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from wireroom.cache import changes
from wireroom.cache.changes import Changed, Hears
from wireroom.cache.disk import DiskLevel
from wireroom.cache.figures import note_disk, note_gone
from wireroom.cache.kept import Kept
from wireroom.cache.lower import Lower
from wireroom.cache.names import NAMES, Cached, Level, Source
from wireroom.cache.policy import Surroundings, keeping
from wireroom.cache.spread import EVERYTHING, Spread
from wireroom.store.database import Database

T = TypeVar("T")
DISK_FILE = "cache.sqlite3"
"""In the data folder; it may be deleted at any time."""
_ON_DISK = frozenset(what.name for what in NAMES if Level.DISK in what.lower)


class Cache(Hears):
    """What is kept by this process."""

    def __init__(
        self,
        dialect: str = "sqlite",
        *,
        memory_bytes: int = 16 * 1024 * 1024,
        disk: Path | None = None,
        disk_bytes: int = 64 * 1024 * 1024,
        spread: Spread | None = None,
        draw: Callable[[], float] = random.random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin empty.

        Args:
            dialect: The database's; see `Database.dialect`.
            memory_bytes: The bound of all names together; 0 switches the whole cache off.
            disk: The file of the disk level; None for none.
            disk_bytes: Its bound.
            spread: The way to the other replicas and to Redis; None without Redis.
            draw: A random number in [0, 1).
            monotonic: Seconds that never run backwards.
        """
        self._dialect = dialect
        self._memory_bytes = memory_bytes
        self._spread = spread
        self._draw = draw
        self._monotonic = monotonic
        self._kept: dict[str, Kept[Any]] = {}
        self._watchers: list[tuple[str, Callable[[], None]]] = []
        self._lower: dict[Level, Lower] = {}
        self._tasks: set[asyncio.Task[bool]] = set()
        self._disk = None if disk is None else DiskLevel(disk, disk_bytes, note_gone)
        if spread is not None:
            self._lower[Level.REDIS] = spread.level
            spread.listen(self._hear_others, self._forget_rows)
        if self._disk is not None:
            self._lower[Level.DISK] = self._disk
        changes.listen(self)

    @classmethod
    def beside(cls, db: Database, **limits: Any) -> Cache:
        """Return a cache that hears what other processes commit to this database; `limits` as above."""
        cache = cls(db.dialect, **limits)
        db.on_outside_change(cache.hear_outside)
        return cache

    @classmethod
    def off(cls) -> Cache:
        """Return one that keeps nothing."""
        return cls(memory_bytes=0)

    def open(self, what: Cached, type_: type[T]) -> Kept[T]:
        """Return the values of a name; the same object each time.

        Args:
            what: A declaration of `names`.
            type_: What the values are: a type that msgspec can encode and check.
        """
        if what.name not in self._kept:
            self._kept[what.name] = Kept(
                what,
                type_,
                memory_bytes=int(self._memory_bytes * what.memory_share),
                lower=[self._lower[level] for level in what.lower if level in self._lower],
                seconds=lambda: self._seconds(what),
                draw=self._draw,
                monotonic=self._monotonic,
            )
        return self._kept[what.name]

    def forget(self, *tags: str) -> None:
        """Forget what depends on the tags, here and everywhere."""
        self.hear(Changed(tags=frozenset(tags)))

    def forget_key(self, what: Cached, key: str) -> None:
        """Forget one value, here and everywhere."""
        self.hear(Changed(keys=frozenset(((what.name, key),))))

    def forget_matching(self, what: Cached, pattern: str) -> None:
        """Forget the values whose keys match (`*`, `?`, `[…]`), here and everywhere."""
        self.hear(Changed(patterns=frozenset(((what.name, pattern),))))

    def watch(self, tag: str, callback: Callable[[], None]) -> None:
        """Call back whenever what depends on the tag may have changed, by whomever."""
        self._watchers.append((tag, callback))

    def hear(self, changed: Changed) -> None:
        """Take note of a change that this process has made, and tell the others."""
        self._take(changed)
        if self._spread is not None:
            self._spread.tell(changed)

    def hear_outside(self) -> None:
        """Take note that another process has committed to the file, and nobody knows what."""
        self._forget_rows()
        if self._spread is not None:
            self._spread.tell(EVERYTHING)

    @property
    def computations(self) -> int:
        """How many values were computed since the beginning: each other question was a hit."""
        return sum(kept.figures.computations for kept in self._kept.values())

    @property
    def has_replicas(self) -> bool:
        """Whether there may be others to tell."""
        return self._spread is not None

    async def run_spread(self) -> None:
        """Tell the other replicas what changes here, until cancelled; without them it ends at once."""
        if self._spread is not None:
            await self._spread.run()

    async def keep_tidy(self) -> None:
        """Forget what is over, and bring the figures up to date; to be done about once a second."""
        now = self._monotonic()
        for kept in self._kept.values():
            kept.memory.drop_expired(now)
            kept.figures.hand_on(len(kept.memory.entries), kept.memory.bytes)

    async def tidy_disk(self) -> None:
        """The same for the disk level; to be done now and then."""
        if self._disk is not None:
            await self._disk.drop_expired()
            note_disk(await self._disk.sizes())

    async def settled(self) -> None:
        """Return once what was told before has reached the disk; for tests and for the end."""
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """End what is being computed, and close the file."""
        changes.leave(self)
        if self._spread is not None:
            self._spread.close()
        for kept in self._kept.values():
            await kept.close()
        await self.settled()
        if self._disk is not None:
            await self._disk.close()

    def _start(self, work: Coroutine[Any, Any, bool]) -> None:
        task = asyncio.create_task(work, name="cache disk")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _seconds(self, what: Cached) -> float | None:
        """Return how long such a value may be kept now."""
        if self._memory_bytes == 0:
            return None
        hears = self._spread is not None and self._spread.is_hearing
        found = keeping(what, Surroundings(self._dialect, hears_news=hears))
        return None if found is None else found.total_seconds()

    def _hear_others(self, changed: Changed) -> None:
        self._take(changed)

    def _take(self, changed: Changed) -> None:
        for kept in self._kept.values():
            kept.hear(changed)
        if self._disk is not None and (on_disk := changed.about(_ON_DISK)):
            self._start(self._disk.forget(on_disk))
        for tag, callback in self._watchers:
            if tag in changed.tags:
                callback()

    def _forget_rows(self) -> None:
        for kept in self._kept.values():
            if kept.what.source is Source.ROWS:
                kept.forget_all()
        for _, callback in self._watchers:
            callback()
