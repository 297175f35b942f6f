"""What a worker knows of each of its queues: the limit, the free slots, the figures for `/metrics`."""

from __future__ import annotations

from wireroom.jobs.endings import Bury, Ending, GiveBack, Remove
from wireroom.jobs.port import QueueSpec
from wireroom.perf.metrics import JOB_WAIT_SECONDS, JOBS_DONE


class QueueTally:
    """One queue in one worker process."""

    def __init__(self, spec: QueueSpec) -> None:
        """Bind the label children once; looking them up costs more than counting."""
        self.spec = spec
        self.free = spec.concurrency
        self._wait = JOB_WAIT_SECONDS.labels(spec.name)
        self._done = JOBS_DONE.labels(spec.name, "done")
        self._again = JOBS_DONE.labels(spec.name, "again")
        self._retried = JOBS_DONE.labels(spec.name, "retried")
        self._dead = JOBS_DONE.labels(spec.name, "dead")

    def seconds_held(self) -> float:
        """Return how long the queue gives way to something more urgent, 0 for not at all."""
        return 0.0 if self.spec.pace is None else self.spec.pace.seconds_held()

    def room(self) -> int:
        """Return how many of its jobs may be claimed now."""
        pace = self.spec.pace
        if pace is None or self.free <= 0:
            return self.free
        return 0 if pace.seconds_held() else pace.room(self.free)

    def note_claim(self) -> None:
        """Take note that jobs of the queue are claimed now."""
        if self.spec.pace is not None:
            self.spec.pace.note_claim()

    def started(self, waited_seconds: float) -> None:
        """Count a start and how long after its due time it came."""
        self.free -= 1
        self._wait.observe(max(0.0, waited_seconds))

    def ended(self, ending: Ending) -> None:
        """Count an ending."""
        match ending:
            case Remove():
                self._done.inc()
            case GiveBack(counted=counted):
                (self._retried if counted else self._again).inc()
            case Bury():
                self._dead.inc()
