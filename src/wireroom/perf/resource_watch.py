"""Looks at memory, tasks and descriptors now and then, and says what grows and does not come back."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge

from wireroom.perf.evidence import MemoryGrowth
from wireroom.perf.growth import Limit, steady_growth
from wireroom.perf.memory import MemoryAlarm, resident_bytes
from wireroom.perf.metrics import DESCRIPTORS_NOW, LEAKS, MEMORY_BYTES, TASKS_NOW
from wireroom.perf.tasks import count_descriptors, count_tasks

LOOK_SECONDS = 15.0
LOOKS = 80
"""Twenty minutes: an hour with more and more to do looks like a leak for a few minutes, not for that long."""
_KINDS_SHOWN = 30
_MIB = 1024 * 1024
LIMITS = {
    "tasks": Limit(at_least=50, share=0.5),
    "descriptors": Limit(at_least=50, share=0.5),
    "rss": Limit(at_least=64 * _MIB, share=0.25),
}
"""What is counted, and from when on its growth is a suspicion."""
Alert = Callable[[str], Awaitable[None]]
"""Tells a person, in a sentence or two."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What there was at one moment, by what is counted."""

    counts: Mapping[str, Mapping[str, int]]


class ResourceWatch:
    """The last looks, and what they mean."""

    def __init__(self, *, alarm: MemoryAlarm, alert: Alert, look_seconds: float = LOOK_SECONDS) -> None:
        """Watch with this alarm; `alert` is told in words what was found, once for each finding."""
        self._alarm = alarm
        self._alert = alert
        self._look_seconds = look_seconds
        self._looks: deque[Look] = deque(maxlen=LOOKS)
        self._suspected: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - logged; the product works without these figures
                _log.exception("resource_watch_failed")
            await asyncio.sleep(self._look_seconds)

    async def look(self) -> None:
        """Look once, show what there is, and tell what is new."""
        tasks = count_tasks(asyncio.get_running_loop())
        descriptors = await asyncio.to_thread(count_descriptors)
        resident = {"process": resident_bytes()}
        await self.take(Look({"tasks": tasks, "descriptors": descriptors, "rss": resident}))

    async def take(self, look: Look) -> None:
        """Add a look, show it, and tell what is new."""
        self._looks.append(look)
        _show(TASKS_NOW, look.counts["tasks"])
        _show(DESCRIPTORS_NOW, look.counts["descriptors"])
        MEMORY_BYTES.set(look.counts["rss"]["process"])
        await self._heed_alarm(look.counts["rss"]["process"])
        await self._suspect()

    def growth(self) -> list[MemoryGrowth]:
        """Return what grew in every part of the last twenty minutes and never came back."""
        seconds = (len(self._looks) - 1) * self._look_seconds
        return [
            MemoryGrowth(kind, name, before, after, seconds, is_steady=True)
            for kind, limit in LIMITS.items()
            for name, (before, after) in self._steady(kind, limit).items()
        ]

    def _steady(self, kind: str, limit: Limit) -> dict[str, tuple[int, int]]:
        if len(self._looks) < LOOKS // 2:
            # What is made at start and kept is not growth.
            return {}
        return steady_growth([look.counts[kind] for look in self._looks], limit)

    async def _heed_alarm(self, now_bytes: int) -> None:
        was_on, self._alarm = self._alarm.is_on, self._alarm.after(now_bytes)
        if self._alarm.is_on == was_on:
            return
        _log.warning("memory_alarm", is_on=self._alarm.is_on, bytes=now_bytes)
        if self._alarm.is_on:
            await self._alert(
                f"Wireroom uses {now_bytes // _MIB} MiB of memory, more than the"
                f" {self._alarm.threshold_bytes // _MIB} MiB of WIREROOM_MEMORY_ALERT_MB."
                " `wireroom profile memory` shows what grows."
            )

    async def _suspect(self) -> None:
        """Tell each suspicion once, and again only after it was dispelled."""
        growth = self.growth()
        found = {(one.kind, one.name) for one in growth}
        for one in growth:
            if (one.kind, one.name) not in self._suspected:
                LEAKS.labels(one.kind).inc()
                _log.warning(
                    "growth_without_end", kind=one.kind, name=one.name, before=one.before, after=one.after
                )
                await self._alert(in_words(one))
        self._suspected = found


def in_words(growth: MemoryGrowth) -> str:
    """Return a suspicion as people are told it. Pure."""
    minutes = max(1, round(growth.seconds / 60))
    if growth.kind == "rss":
        what = f"its memory, from {growth.before // _MIB} to {growth.after // _MIB} MiB"
    else:
        what = f"{growth.kind} of the kind “{growth.name}”, from {growth.before} to {growth.after}"
    return f"Something in Wireroom grows and does not come back: {what} in {minutes} min."


def _show(gauge: Gauge, counts: Mapping[str, int]) -> None:
    gauge.clear()
    shown = Counter(counts).most_common(_KINDS_SHOWN)
    for kind, count in shown:
        gauge.labels(kind).set(count)
    if rest := sum(counts.values()) - sum(count for _, count in shown):
        gauge.labels("other").set(rest)
