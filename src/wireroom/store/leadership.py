"""Who may lead: the rules of `store.leader`, without its connection. Pure.

A leader proves that it lives by touching its connection. It counts a touch from before it asked, a candidate
from after the server answered, so a leader gives up before a candidate may take over, whatever the network
does in between:

    give_up_after < evict_after
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lease:
    """How long silence is borne; all in seconds."""

    touch_every: float = 1.0
    """Between two touches of a leader, and between two looks of a candidate."""
    give_up_after: float = 2.5
    """A leader without an answered touch for so long stands down."""
    evict_after: float = 3.0
    """A candidate ends the connection of a leader that was silent for so long."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the lock, as the server sees it."""

    pid: int
    """Of the server's process that serves it."""
    silent_seconds: float
    """Since its last touch."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The lock was given up since it was tried: try it at once."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The leader lives, or has not been silent for long enough."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Evict:
    """End the silent leader's connection, and with it its lock."""

    pid: int


def next_move(holder: Holder | None, lease: Lease) -> TryAgain | Wait | Evict:
    """Return what a candidate does that did not get the lock.

    Args:
        holder: Who has it; None when nobody has any more.
        lease: How long silence is borne.

    Returns:
        A wait ends when the holder's silence will have been too long, at the latest at the next look.
    """
    if holder is None:
        return TryAgain()
    left = lease.evict_after - holder.silent_seconds
    return Evict(holder.pid) if left <= 0 else Wait(min(left, lease.touch_every))


def time_left(touched_at: float, now: float, lease: Lease) -> float:
    """Return how many seconds a leader may go on without another touch; none of them: 0.

    time_left = max(0, touched_at + lease.give_up_after - now)

    Args:
        touched_at: When the last answered touch was asked; of a clock that goes on while the process is
            stopped.
        now: Of the same clock.
        lease: How long silence is borne.
    """
    return max(0.0, touched_at + lease.give_up_after - now)
