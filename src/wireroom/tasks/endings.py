"""What becomes of a task whose run has ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from wireroom.jobs.port import RetryPolicy
from wireroom.jobs.retry import next_attempt
from wireroom.runs.states import RunState


@dataclass(frozen=True, slots=True)
class Complete:
    """The run succeeded, and so did the task."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It failed and is ready again, but not before `when`."""

    when: datetime
    failures: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It failed for the last time: set aside, until somebody makes it ready."""

    failures: int


@dataclass(frozen=True, slots=True)
class SetAside:
    """A person stopped the run: it goes to the backlog, and was no failure."""


Ending = Complete | TryAgain | GiveUp | SetAside


def ending_of(state: RunState, failures: int, policy: RetryPolicy, now: datetime, jitter: float) -> Ending:
    """Return what follows from how the run ended.

    Args:
        state: A final state.
        failures: Failures before this run, since somebody last said: try it.
        policy: How often it is tried, and how long after a failure.
        now: The time.
        jitter: The caller's draw in [0, policy.max_jitter].
    """
    if state is RunState.SUCCEEDED:
        return Complete()
    if state is RunState.CANCELLED:
        return SetAside()
    failures += 1
    when = next_attempt(policy, failures, now, jitter)
    return GiveUp(failures) if when is None else TryAgain(when, failures)
