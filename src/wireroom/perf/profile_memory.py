"""Which lines of code hold the memory that was asked for during a period. Costly: on request, and bounded.

While it runs, everything that makes objects takes many times as long, so it is for quiet hours and a second
process; it ends early when the notes themselves have grown large.
"""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from dataclasses import dataclass

from wireroom.perf.evidence import MemoryGrowth
from wireroom.perf.memory import count_objects, growers, resident_bytes
from wireroom.perf.profile_samples import Sampled, Spot

DEPTH = 6
"""Lines of the stack that are noted with each allocation."""
MOST_NOTES_BYTES = 128 * 1024 * 1024
_LOOK_SECONDS = 0.25
_MOST_STACKS = 5000
_MOST_GROWERS = 30


@dataclass(frozen=True, slots=True)
class Allocations:
    """What a period left in memory."""

    samples: tuple[Sampled, ...]
    """Bytes that were allocated within the period and are still held, by stack."""
    held_bytes: int
    peak_bytes: int
    """The most that was held at once of what was allocated within the period."""
    growth: tuple[MemoryGrowth, ...]
    """`rss`, and the types of which there are more objects than before."""
    seconds: float
    ended_early: bool
    """Whether the notes grew too large to go on."""


async def trace_allocations(seconds: float, *, most_notes_bytes: int = MOST_NOTES_BYTES) -> Allocations:
    """Note every allocation for so long, then tell what is still held."""
    objects, resident = await asyncio.to_thread(count_objects), resident_bytes()
    began = time.monotonic()
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start(DEPTH)
    try:
        tracemalloc.reset_peak()
        first_bytes, _ = tracemalloc.get_traced_memory()
        ended_early = await _wait(seconds, most_notes_bytes)
        took = time.monotonic() - began
        held_bytes, peak_bytes = tracemalloc.get_traced_memory()
        samples = await asyncio.to_thread(_held)
    finally:
        if not was_tracing:
            tracemalloc.stop()
    growth = [MemoryGrowth("rss", "process", resident, resident_bytes(), took)]
    now = await asyncio.to_thread(count_objects)
    growth += growers(objects, now, kind="objects", seconds=took, most=_MOST_GROWERS)
    return Allocations(
        samples=samples,
        held_bytes=max(0, held_bytes - first_bytes),
        peak_bytes=max(0, peak_bytes - first_bytes),
        growth=tuple(growth),
        seconds=took,
        ended_early=ended_early,
    )


async def _wait(seconds: float, most_notes_bytes: int) -> bool:
    """Wait that long; return True when it ended before, since the notes had become too many."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if tracemalloc.get_tracemalloc_memory() > most_notes_bytes:
            return True
        await asyncio.sleep(min(left, _LOOK_SECONDS))
    return False


def _held() -> tuple[Sampled, ...]:
    # What only the collector can free is no leak.
    gc.collect()
    hidden = (
        tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__),
        tracemalloc.Filter(inclusive=False, filename_pattern=__file__),
    )
    statistics = tracemalloc.take_snapshot().filter_traces(hidden).statistics("traceback")
    return tuple(
        Sampled(tuple(Spot("", frame.filename, frame.lineno) for frame in one.traceback), one.size)
        for one in statistics[:_MOST_STACKS]
    )
