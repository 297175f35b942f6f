"""Reads the process's counts every few seconds into the history, and gives what it was from there on.

Always on: one look costs about a millisecond every five seconds, a mark some every half minute, in a thread.
"""

from __future__ import annotations

import asyncio
import sys
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog
from prometheus_client.registry import Collector

from wireroom.perf.endpoints import ENDPOINTS, Endpoints
from wireroom.perf.gather import Standing, stand, started_ms
from wireroom.perf.history import LOOK_SECONDS, WINDOWS, History, Mark, Series, Window
from wireroom.perf.history_reading import Depth, Reading
from wireroom.perf.memory import resident_bytes
from wireroom.perf.metrics import CACHE_LOOKUPS, JOBS_DONE, LOOP_BLOCKED_SECONDS, LOOP_LAG_SECONDS
from wireroom.perf.pools import pool_figures

Depths = Callable[[], Awaitable[Mapping[str, Depth] | None]]
_FAST = 1
"""Of zlib: a mark takes a tenth of its room, for a millisecond."""
_log = structlog.get_logger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Standing).decode


@dataclass(frozen=True, slots=True)
class Past:
    """A window up to the last look."""

    window: Window
    begins: Mark
    series: Series
    last: Reading


class HistorySampler:
    """Looks every five seconds while `run` is awaited."""

    def __init__(self, depths: Depths, *, endpoints: Endpoints = ENDPOINTS) -> None:
        """Begin a history without rows.

        Args:
            depths: Counts the jobs of each queue; None when the database does not say.
            endpoints: Counts requests.
        """
        self._depths = depths
        self._endpoints = endpoints
        self._last = _read(endpoints, None)
        start = started_ms()
        age = (self._last.at_ms - start) / 1000
        self._history = History(Mark(start, self._last.steady_seconds - age, None), self._last)
        self.looks = 0
        """How many there were: what was made of the last one holds until the next."""

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - logged; the product works without these figures
                _log.exception("history_look_failed")

    async def look(self) -> None:
        """Read everything once, off the loop."""
        depths = await self._depths()
        reading = await asyncio.to_thread(_read, self._endpoints, depths)
        if self._history.take(reading):
            packed = await asyncio.to_thread(self._pack)
            self._history.keep(Mark(reading.at_ms, reading.steady_seconds, packed))
        self._last = reading
        self.looks += 1

    def past(self, window: Window) -> Past:
        """Return a window up to the last look."""
        begins = self._history.beginning(window.name, self._last.steady_seconds)
        return Past(window, begins, self._history.series(window.name), self._last)

    def since(self, begins: Mark) -> Standing:
        """Return where every count stood at a mark; in a thread, since unpacking takes milliseconds."""
        return Standing() if begins.packed is None else _decode(zlib.decompress(begins.packed))

    @property
    def bytes_used(self) -> int:
        """Bytes that the history takes."""
        return self._history.bytes_used

    def _pack(self) -> bytes:
        return zlib.compress(_encode(stand(self._endpoints)), _FAST)


def window_named(name: str) -> Window:
    """Return one of the windows by its name."""
    return next(window for window in WINDOWS if window.name == name)


def _read(endpoints: Endpoints, depths: Mapping[str, Depth] | None) -> Reading:
    answers = endpoints.total()
    pools = pool_figures()
    return Reading(
        at_ms=int(time.time() * 1000),
        steady_seconds=time.monotonic(),
        answers=answers.timings,
        errors=answers.errors,
        jobs=_sum_of(JOBS_DONE),
        looks=_looks(),
        blocked_seconds=_sum_of(LOOP_BLOCKED_SECONDS),
        processor_seconds=time.process_time(),
        lag_seconds=_sum_of(LOOP_LAG_SECONDS),
        resident_bytes=resident_bytes(),
        allocated_blocks=sys.getallocatedblocks(),
        connections_busy=sum(pool.in_use for pool in pools),
        callers_waiting=sum(pool.waiting for pool in pools),
        depths=depths,
    )


def _sum_of(collector: Collector) -> float:
    return sum(
        sample.value
        for metric in collector.collect()
        for sample in metric.samples
        if not sample.name.endswith("_created")
    )


def _looks() -> Mapping[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for metric in CACHE_LOOKUPS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_created"):
                continue
            hits, misses = found.get(sample.labels["level"], (0.0, 0.0))
            is_hit = sample.labels["result"] == "hit"
            found[sample.labels["level"]] = (
                hits + is_hit * sample.value,
                misses + (not is_hit) * sample.value,
            )
    return found
