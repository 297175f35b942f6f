"""What one name counts.

Hits in memory are an integer that is handed on once a second: a counter costs more than a hit.
"""

from __future__ import annotations

from collections.abc import Iterable

from wireroom.cache.names import Level
from wireroom.perf.metrics import (
    CACHE_AGE_SECONDS,
    CACHE_BYTES,
    CACHE_COMPUTE_SECONDS,
    CACHE_COMPUTED,
    CACHE_DROPPED,
    CACHE_ENTRIES,
    CACHE_LOOKUPS,
    CACHE_PROMOTED,
)


class NameFigures:
    """The figures of one name in one cache."""

    def __init__(self, name: str) -> None:
        """Bind what is counted often."""
        self._name = name
        self.memory_hits = 0
        """Not handed on yet."""
        self.computations = 0
        """Values computed since the beginning."""
        self._hits = CACHE_LOOKUPS.labels(name, Level.MEMORY, "hit")
        self._misses = CACHE_LOOKUPS.labels(name, Level.MEMORY, "miss")
        self._seconds = CACHE_COMPUTE_SECONDS.labels(name)

    def missed(self, level: Level) -> None:
        """Count a look that found nothing that could be given."""
        if level is Level.MEMORY:
            self._misses.inc()
        else:
            CACHE_LOOKUPS.labels(self._name, level, "miss").inc()

    def hit_below(self, level: Level, age: float) -> None:
        """Count a look at a lower level that found the value."""
        CACHE_LOOKUPS.labels(self._name, level, "hit").inc()
        CACHE_AGE_SECONDS.labels(self._name, level).observe(age)

    def joined(self) -> None:
        """Count a caller who was given another's computation."""
        CACHE_COMPUTED.labels(self._name, "joined").inc()

    def bypassed(self) -> None:
        """Count a computation of what may not be kept now."""
        self.computations += 1
        CACHE_COMPUTED.labels(self._name, "bypass").inc()

    def refreshed_early(self) -> None:
        """Count a value made anew before its end."""
        CACHE_COMPUTED.labels(self._name, "early").inc()

    def computed(self, seconds: float) -> None:
        """Note a computation."""
        self.computations += 1
        CACHE_COMPUTED.labels(self._name, "done").inc()
        self._seconds.observe(seconds)

    def promoted(self, level: Level) -> None:
        """Count a value that a lower level had and this one has got."""
        CACHE_PROMOTED.labels(self._name, level).inc()

    def dropped(self, level: Level, reason: str, age: float) -> None:
        """Count an entry that has gone, and how old it has become."""
        CACHE_DROPPED.labels(self._name, level, reason).inc()
        CACHE_AGE_SECONDS.labels(self._name, level).observe(age)

    def hand_on(self, entries: int, taken_bytes: int) -> None:
        """Hand on what was counted since the last time, and what memory holds now."""
        hits, self.memory_hits = self.memory_hits, 0
        self._hits.inc(hits)
        CACHE_ENTRIES.labels(self._name, Level.MEMORY).set(entries)
        CACHE_BYTES.labels(self._name, Level.MEMORY).set(taken_bytes)


def note_gone(name: str, reason: str) -> None:
    """Count an entry that the disk level has dropped by itself."""
    CACHE_DROPPED.labels(name, Level.DISK, reason).inc()


def note_disk(sizes: Iterable[tuple[str, int, int]]) -> None:
    """Note what the disk level holds: (name, entries, bytes)."""
    for name, entries, taken_bytes in sizes:
        CACHE_ENTRIES.labels(name, Level.DISK).set(entries)
        CACHE_BYTES.labels(name, Level.DISK).set(taken_bytes)
