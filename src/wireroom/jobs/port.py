"""The port for work: what the rooms may ask of a job engine, whichever engine runs.

A job is a pointer (kind and ref) to a domain row; the row is the state. It is enqueued on the connection of
the unit of work that writes the row, so that both are committed or neither. Handlers run at least once:
after a crash the job is given again, so a handler first reads where its row stands.

Adapters: `jobs.embedded` (our engine on the same SQLite file) and `jobs.procrastinate` (PostgreSQL).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from wireroom.errors import LeaseLost


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job, as its handler sees it."""

    id: int
    queue: str
    kind: str
    ref: str
    """The domain row it points at, as text."""
    key: str | None
    """Jobs of one key run one at a time, in (priority, id) order of those that are due."""
    attempt: int
    """1 for the first start, 2 for the second …; a start after a crash counts."""
    epoch: int
    """Fences this claim: a finish that states an older epoch is refused."""


class JobRef(NamedTuple):
    """A job to add: the row it points at, and its key."""

    ref: str
    key: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """The job is finished and leaves the queue."""


@dataclass(frozen=True, slots=True)
class RunAgainAt:
    """Not now: give the job back until `when`. Does not count as a failure."""

    when: datetime


@dataclass(frozen=True, slots=True)
class Dead:
    """Give up: keep the job as a dead letter with this reason."""

    reason: str


Outcome = Done | RunAgainAt | Dead
"""What a handler returns. An exception is retried by the queue's `RetryPolicy`, then becomes `Dead`."""

Handler = Callable[[Job], Awaitable[Outcome]]


class CancelResult(StrEnum):
    """What `cancel` found."""

    REMOVED = "removed"
    """It was waiting and is gone."""
    REQUESTED = "requested"
    """It is running: its handler's task is cancelled, within a second if it runs in another process."""
    HASTENED = "hastened"
    """It was waiting, was to be kept, and is due now."""
    ABSENT = "absent"
    """No such job."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a job whose handler raised is tried again; see `jobs.retry.next_attempt`."""

    max_attempts: int = 5
    base: timedelta = timedelta(milliseconds=500)
    cap: timedelta = timedelta(minutes=2)
    max_jitter: float = 0.2
    """Largest share of the wait that is added at random, in [0, 1]."""


class Pace(Protocol):
    """How fast the jobs of a queue may be started, beside how many at once; asked before each claim."""

    def seconds_held(self) -> float:
        """Return how long none may be claimed, 0 when some may be now."""
        ...

    def room(self, free: int) -> int:
        """Return how many of the free slots may be filled, once nothing is held."""
        ...

    def note_claim(self) -> None:
        """Take note that jobs of the queue are claimed now."""
        ...


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """One queue: how many of its jobs run at once in a worker process, and how failures are retried."""

    name: str
    concurrency: int
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    drains: bool = False
    """Jobs of it that are due are still begun while the worker drains, as the answers of runs that end."""
    pace: Pace | None = None
    """What holds its jobs back for a moment."""


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """Live counts of one queue."""

    waiting: int = 0
    """Due now."""
    delayed: int = 0
    """Waiting for their `run_at`."""
    running: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What one queue asks of all workers together."""

    running: int = 0
    startable: int = 0
    """Those that a free slot could begin now: due, and no other of their key runs or goes first."""
    oldest_due_ms: int | None = None
    """Since when the longest of the startable ones is due, ms since the epoch; None without any."""

    @property
    def depth(self) -> int:
        """Slots that have or could have work; a key counts once, however many jobs wait behind its first."""
        return self.running + self.startable


def lost_claim(job: Job) -> LeaseLost:
    """Return the error of a unit whose job no longer belongs to its claim."""
    return LeaseLost(
        f"Job {job.id} ({job.kind} {job.ref}) no longer belongs to claim {job.epoch}: it was taken away or"
        " finished already. Stop without writing."
    )


class Jobs(Protocol):
    """What the rooms see. The methods that take a connection are called inside a unit of work."""

    def enqueue(
        self,
        conn: Connection,
        *,
        queue: str,
        kind: str,
        ref: str,
        key: str | None = None,
        priority: int = 0,
        run_at: datetime | None = None,
        dedupe: str | None = None,
    ) -> bool:
        """Add a job in the caller's transaction; the engine is woken when it commits.

        Returns:
            False when a job with this `dedupe` is already waiting (a running one does not count).
        """
        ...

    def enqueue_all(self, conn: Connection, jobs: Sequence[JobRef], *, queue: str, kind: str) -> None:
        """Add jobs that are due at once, in this order, in the caller's transaction."""
        ...

    def check_claim(self, conn: Connection, job: Job) -> None:
        """Refuse the caller's unit unless the job belongs to this claim, and keep it so until the commit.

        For units that begin or record something before the job's end: a process that froze, or was cut off,
        comes back in the middle of work that another has taken up. Where one process owns all work, that
        cannot be, and nothing is asked.

        Raises:
            LeaseLost: the job was given to another worker; the unit must not commit.
        """
        ...

    def finish(self, conn: Connection, job: Job) -> None:
        """Finish the job in the caller's transaction, so that its effect and its end commit together.

        On PostgreSQL the row is only marked, and removed once the handler has returned `Done`; what a crash
        in between leaves marked is removed later without being run.

        Raises:
            LeaseLost: the job was given to another worker; the unit must not commit.
        """
        ...

    def cancel(self, conn: Connection, *, kind: str, ref: str, keep: bool = False) -> CancelResult:
        """Remove the waiting job that points at (kind, ref), or ask the running one to stop.

        Args:
            conn: The caller's unit.
            kind: The job's kind.
            ref: The row it points at.
            keep: Do not remove a waiting job but make it due now: its work has begun, and only its handler
                can settle what that left behind.
        """
        ...

    def is_pending(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Tell whether a job that points at (kind, ref) waits or runs."""
        ...

    def pending_refs(self, conn: Connection, *, kind: str) -> set[str]:
        """Return what the waiting and running jobs of this kind point at."""
        ...

    def retry_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Put the dead job that points at (kind, ref) back to waiting; False when there is none."""
        ...

    def discard_dead(self, conn: Connection, *, kind: str, ref: str) -> bool:
        """Remove the dead job that points at (kind, ref); False when there is none."""
        ...

    def discard_all_dead(self, conn: Connection, *, kind: str, refs: Sequence[str]) -> None:
        """Remove the dead jobs of this kind that point at one of `refs`, in one statement."""
        ...

    def counts(self, conn: Connection) -> Mapping[str, QueueCounts]:
        """Return live counts by queue name; a queue without jobs is absent."""
        ...

    def oldest_due(self, conn: Connection) -> Mapping[str, int]:
        """Return, by queue, since when the job that waits longest is due; ms since the epoch."""
        ...

    def demand(self, conn: Connection) -> Mapping[str, Demand]:
        """Return, by queue, what could keep a slot busy now; a queue without any is absent."""
        ...


class Worker(Protocol):
    """Runs jobs until told to stop."""

    async def run(self, handlers: Mapping[str, Handler]) -> None:
        """Recover what a dead process left running, then claim and run jobs until `drain`.

        Args:
            handlers: By job kind. A job of an unknown kind is left waiting.
        """
        ...

    async def drain(self, grace: timedelta) -> None:
        """Claim nothing more, give handlers `grace` to end, then cancel them and give their jobs back.

        Queues that say `drains` are served until nothing of them is due.

        A handler that is cancelled by a drain leaves its job waiting, to be run by the next start.
        """
        ...

    def cancel_running(self, *, kind: str, ref: str) -> bool:
        """Cancel the handler of (kind, ref) if this process runs it; True when it does."""
        ...
