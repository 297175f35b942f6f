"""What becomes of a job when its handler has ended. Pure; both engines obey these decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from wireroom.jobs.port import Dead, Done, Job, Outcome, QueueSpec, RunAgainAt
from wireroom.jobs.retry import next_attempt

_MAX_ERROR_CHARS = 2_000


class StopReason(Enum):
    """Why the engine cancelled a handler."""

    CANCEL = auto()
    """Somebody asked for it: the job leaves the queue."""
    DRAIN = auto()
    """The process stops: the job waits for the next start."""


@dataclass(frozen=True, slots=True)
class Remove:
    """The job leaves the queue."""


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The job waits again."""

    run_at: datetime
    counted: bool
    """True when this start uses up one of the policy's attempts."""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Bury:
    """The job stays as a dead letter."""

    error: str


Ending = Remove | GiveBack | Bury


def after_outcome(outcome: Outcome) -> Ending:
    """Return what the handler's own answer means."""
    match outcome:
        case Done():
            return Remove()
        case RunAgainAt(when):
            return GiveBack(when, counted=False)
        case Dead(reason):
            return Bury(reason[:_MAX_ERROR_CHARS])


def after_failure(
    spec: QueueSpec, job: Job, error: BaseException, now: datetime, draw: float
) -> GiveBack | Bury:
    """Return what an exception of the handler means by the queue's `RetryPolicy`.

    Args:
        spec: The job's queue.
        job: The claim that failed; `job.attempt` counts this start.
        error: What the handler raised.
        now: An aware UTC time.
        draw: A random number in [0, 1), scaled to the policy's jitter.
    """
    text = f"{type(error).__name__}: {error}"[:_MAX_ERROR_CHARS]
    when = next_attempt(spec.retry, job.attempt, now, draw * spec.retry.max_jitter)
    return Bury(text) if when is None else GiveBack(when, counted=True, error=text)


def after_stop(reason: StopReason, now: datetime) -> Ending:
    """Return what it means that a handler ended by the cancellation that the engine asked for."""
    match reason:
        case StopReason.CANCEL:
            return Remove()
        case StopReason.DRAIN:
            return GiveBack(now, counted=False)
