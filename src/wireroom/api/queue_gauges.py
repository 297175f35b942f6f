"""What the queues ask of all workers together, as gauges for an autoscaler; the same on every process.

A depth counts what has a slot and what could have one now. Running jobs count: without them a busy
installation that keeps up would read 0 and be scaled in. What waits for its time, or behind another of its
key, is no demand: one more worker could not begin it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wireroom.jobs.port import Demand
from wireroom.perf.metrics import QUEUE_DEPTH, QUEUE_OLDEST_SECONDS


class QueueGauges:
    """Shows the demand of each queue."""

    def __init__(self, queues: Iterable[str]) -> None:
        """Show these queues always: a gauge that is absent is no 0 to an autoscaler, but a broken metric."""
        self._queues = tuple(queues)
        self._waits = OldestWaits()

    def show(self, demand: Mapping[str, Demand], now: float) -> None:
        """Set the gauges to what was counted.

        Args:
            demand: By queue; one without jobs may be absent.
            now: Seconds since the epoch.
        """
        self.clear()
        for queue in {*self._queues, *demand}:
            asked = demand.get(queue, Demand())
            QUEUE_DEPTH.labels(queue).set(asked.depth)
            QUEUE_OLDEST_SECONDS.labels(queue).set(self._waits.seconds(queue, asked, now))

    def clear(self) -> None:
        """Show nothing: unknown is not 0, and an autoscaler scales in by no figure that it misses."""
        QUEUE_DEPTH.clear()
        QUEUE_OLDEST_SECONDS.clear()


class OldestWaits:
    """Tells how long the oldest startable job has been startable, as far as that can be known. Pure.

    A job that waited behind others of its key has been due for long when its turn comes, and no worker was
    missed meanwhile. When its turn came is stored nowhere; but whatever is startable now became so after the
    last look that found nothing startable.
    """

    def __init__(self) -> None:
        self._idle_at: dict[str, float] = {}

    def seconds(self, queue: str, demand: Demand, now: float) -> float:
        """Return now - max(the oldest one's due time, the last look without any), at least 0."""
        if demand.oldest_due_ms is None:
            self._idle_at[queue] = now
            return 0.0
        due = demand.oldest_due_ms / 1000
        return max(0.0, now - max(due, self._idle_at.get(queue, due)))
