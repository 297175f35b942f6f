"""The memory level of one name: a dictionary with a bound in bytes.

`entries` is read directly on the hot path (`kept`): a hit is one look-up and one mark. When there is no room,
entries that were not used since the last look go first (second chance, a cheap stand-in for least recently
used: a hit need not move anything).
"""

from __future__ import annotations

import fnmatch
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from wireroom.cache.policy import Times

T = TypeVar("T")
_ENTRY_BYTES = 400
"""About what an entry takes beside its value: its objects, its key, its place in the dictionary."""
_LARGEST_SHARE = 4
"""One entry takes at most this part of the whole, or it would push everything else out."""


@dataclass(slots=True)
class Entry(Generic[T]):
    """A value that is kept in memory; nobody changes it, all readers share it."""

    value: T
    times: Times
    fresh_until: float
    """The same as in `times`, without the way there."""
    bytes: int
    tags: tuple[str, ...]
    used: bool = False
    """Since it was last looked at for eviction."""


class MemoryLevel(Generic[T]):
    """The entries of one name."""

    def __init__(self, most_bytes: int, dropped: Callable[[Entry[T], str], None]) -> None:
        """Begin empty.

        Args:
            most_bytes: The bound for all entries.
            dropped: Told of each entry that goes, with the reason: replaced, expired, evicted, invalidated.
        """
        self.entries: OrderedDict[str, Entry[T]] = OrderedDict()
        self.bytes = 0
        self._most_bytes = most_bytes
        self._dropped = dropped
        self._tagged: dict[str, set[str]] = {}

    def put(self, key: str, value: T, times: Times, size: int, tags: Iterable[str]) -> bool:
        """Keep the value; False when it is too large to be kept."""
        taken = size + _ENTRY_BYTES + len(key)
        self.drop(key, "replaced")
        if taken > self._most_bytes // _LARGEST_SHARE:
            return False
        entry = Entry(value, times, times.fresh_until, taken, tuple(tags))
        while self.bytes + taken > self._most_bytes:
            self._evict_one(times.made_at)
        self.entries[key] = entry
        self.bytes += taken
        for tag in entry.tags:
            self._tagged.setdefault(tag, set()).add(key)
        return True

    def drop(self, key: str, reason: str) -> None:
        """Forget an entry, if there is one."""
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.bytes
        for tag in entry.tags:
            keys = self._tagged[tag]
            keys.discard(key)
            if not keys:
                del self._tagged[tag]
        self._dropped(entry, reason)

    def drop_tag(self, tag: str) -> None:
        """Forget every entry that depends on the tag."""
        for key in tuple(self._tagged.get(tag, ())):
            self.drop(key, "invalidated")

    def drop_matching(self, pattern: str) -> None:
        """Forget every entry whose key matches the pattern (`*`, `?`, `[…]`)."""
        for key in [key for key in self.entries if fnmatch.fnmatchcase(key, pattern)]:
            self.drop(key, "invalidated")

    def clear(self) -> None:
        """Forget everything."""
        for key in tuple(self.entries):
            self.drop(key, "invalidated")

    def drop_expired(self, now: float) -> None:
        """Forget what is over, so that it takes no room."""
        for key in [key for key, entry in self.entries.items() if entry.times.expires_at <= now]:
            self.drop(key, "expired")

    def _evict_one(self, now: float) -> None:
        """Drop the oldest entry that nobody has used since the last look at it."""
        while True:
            key, entry = next(iter(self.entries.items()))
            if not entry.used or entry.times.expires_at <= now:
                self.drop(key, "evicted")
                return
            entry.used = False
            self.entries.move_to_end(key)
