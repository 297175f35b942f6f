"""What the process holds in memory, what grew, and when somebody should be told.

Cheap looks are always on (one line of /proc); objects are counted and allocations traced on request alone.
"""

from __future__ import annotations

import gc
import os
import resource
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wireroom.perf.evidence import MemoryGrowth

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_CALM_AGAIN = 0.9
"""Of a threshold: below that an alarm is over, so that memory that sways does not ring it again and again."""


def resident_bytes() -> int:
    """Return the process's resident memory; where there is no /proc, the most it ever was."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def count_objects() -> Counter[str]:
    """Return how many objects of each type the collector knows. Takes milliseconds: call it in a thread.

    What was frozen at start is not among them, nor are strings, bytes and numbers.
    """
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def growers(
    before: Mapping[str, int], after: Mapping[str, int], *, kind: str, seconds: float, most: int
) -> list[MemoryGrowth]:
    """Return what there is more of than before, the most first. Pure."""
    grown = {name: now - before.get(name, 0) for name, now in after.items() if now > before.get(name, 0)}
    largest = sorted(grown, key=lambda name: (-grown[name], name))[:most]
    return [MemoryGrowth(kind, name, before.get(name, 0), after[name], seconds) for name in largest]


@dataclass(frozen=True, slots=True)
class MemoryAlarm:
    """Rings once when memory passes a threshold, and again only after it was well below it. Pure."""

    threshold_bytes: int
    """0: never."""
    is_on: bool = False

    def after(self, now_bytes: int) -> MemoryAlarm:
        """Return the alarm as it is once memory was seen to be this much."""
        if not self.threshold_bytes:
            return self
        if now_bytes >= self.threshold_bytes:
            return MemoryAlarm(self.threshold_bytes, is_on=True)
        if now_bytes < self.threshold_bytes * _CALM_AGAIN:
            return MemoryAlarm(self.threshold_bytes)
        return self
