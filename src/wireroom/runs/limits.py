"""The bounds of one attempt and the rule that ends it. Pure; `runs.supervisor` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a process may take and how much of its output is kept. Nothing here fails a run by size."""

    hard: timedelta = timedelta(minutes=30)
    """From the start to the end."""
    idle: timedelta = timedelta(minutes=10)
    """Without a byte on stdout or stderr; before the first byte it counts from the start."""
    polite: timedelta = timedelta(seconds=0.8)
    """For a program that is talked with to end when told so in its own words, before SIGTERM."""
    grace: timedelta = timedelta(seconds=2)
    """Between SIGTERM and SIGKILL."""
    drain: timedelta = timedelta(seconds=1)
    """After the exit, for descendants that still hold the pipes."""
    head_bytes: int = 256 * KIB
    """First bytes of each stream kept in memory."""
    tail_bytes: int = 256 * KIB
    """Last bytes of each stream kept in memory."""
    spill_bytes: int = 64 * MIB
    """Cap of each spill file, which is made only when head and tail do not hold everything."""
    line_bytes: int = 4 * MIB
    """A longer line is given as its beginning and a mark."""


class Ending(StrEnum):
    """Why an attempt ended."""

    EXITED = "exited"
    """The program ended by itself, with whatever code or signal."""
    HARD_TIMEOUT = "hard_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before this time has passed or something happens."""

    seconds: float


def next_step(
    limits: Limits, *, now: float, started: float, last_output: float | None, exited: bool, cancelled: bool
) -> Ending | Wait:
    """Return how the attempt ends now, or how long to wait.

    An exit wins over everything, so that a finished run is never reported as stopped; a wish to stop wins
    over a timeout, because a person waits for it. `now`, `started` and `last_output` (the last byte on either
    stream; None before the first) are monotonic seconds.
    """
    if exited:
        return Ending.EXITED
    if cancelled:
        return Ending.CANCELLED
    hard_left = started + limits.hard.total_seconds() - now
    if hard_left <= 0:
        return Ending.HARD_TIMEOUT
    idle_left = (started if last_output is None else last_output) + limits.idle.total_seconds() - now
    if idle_left <= 0:
        return Ending.IDLE_TIMEOUT
    return Wait(min(hard_left, idle_left))
