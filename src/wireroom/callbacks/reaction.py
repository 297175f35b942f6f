"""What follows from one try of a callback. Pure; `callbacks.sender` obeys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from wireroom.jobs.port import RetryPolicy
from wireroom.jobs.retry import next_attempt

LONGEST_WAIT = timedelta(hours=1)
"""The most that a receiver's Retry-After can ask for."""
_FIRST_WAIT = timedelta(seconds=2)
_CAP = timedelta(minutes=20)
_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_PASSING_AT_FIRST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT})
"""What a proxy says while the receiver is deployed anew, and a receiver that works on the try before."""
_FIRST_TRIES = 12
"""Made in the first 54 minutes, unless a Retry-After asks for longer waits."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The receiver answered."""

    status: int
    retry_after: float | None = None
    """Its Retry-After in seconds, if it sent one."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No answer came; the receiver may have got the callback or not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Barred:
    """The guard does not let it go there; nothing was sent."""

    reason: str


@dataclass(frozen=True, slots=True)
class Held:
    """Its host is not called just now, see `outbound.hosts`; nothing was sent."""

    seconds: float
    """For how long, > 0."""
    reason: str


Reply = Answered | NoAnswer | Barred | Held


@dataclass(frozen=True, slots=True)
class Sent:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Try again at `when`."""

    when: datetime
    reason: str
    counts: bool = True
    """Whether it was one of the tries that may be made."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """A dead letter, with the reason."""

    reason: str


def retry_policy(max_attempts: int) -> RetryPolicy:
    """Return when tries follow each other: after 2 s, 4 s, 8 s … up to 20 minutes; 20 take 3.6 hours."""
    return RetryPolicy(max_attempts=max_attempts, base=_FIRST_WAIT, cap=_CAP)


def react(
    reply: Reply, policy: RetryPolicy, *, attempts: int, now: datetime, jitter: float
) -> Sent | Later | GiveUp:
    """Decide what follows.

    Args:
        reply: What the try brought.
        policy: See `retry_policy`.
        attempts: Tries made so far, this one included.
        now: An aware UTC time.
        jitter: The caller's draw, in [0, policy.max_jitter].
    """
    match reply:
        case Answered(status=status) if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return Sent()
        case Answered(status=status) if _is_final(status, attempts):
            return GiveUp(f"The receiver refuses it: HTTP {status}.")
        case Answered(status=status, retry_after=retry_after):
            asked = timedelta(seconds=min(retry_after or 0, LONGEST_WAIT.total_seconds()))
            reason = f"The receiver answered HTTP {status}."
        case NoAnswer(reason=reason):
            asked = timedelta()
        case Barred(reason=reason):
            return GiveUp(reason)
        case Held(seconds=seconds, reason=reason):
            return _wait(seconds, reason, policy, attempts=attempts, now=now, jitter=jitter)
    when = next_attempt(policy, attempts, now, jitter)
    if when is None:
        return GiveUp(f"{reason} That was try {attempts}.")
    return Later(max(when, now + asked), reason)


def _wait(
    seconds: float, reason: str, policy: RetryPolicy, *, attempts: int, now: datetime, jitter: float
) -> Later:
    """Return when to try a held host: as after a failed try, but nobody gives up without a real one."""
    free_at = now + timedelta(seconds=seconds) * (1 + jitter)
    when = next_attempt(policy, attempts, now, jitter)
    if when is not None:
        return Later(max(when, free_at), reason)
    before = next_attempt(policy, max(1, attempts - 1), now, jitter) or free_at
    return Later(max(before, free_at), reason, counts=False)


def _is_final(status: int, attempts: int) -> bool:
    """Tell whether trying again cannot help: the receiver refuses this request for what it is."""
    if status in _PASSING_AT_FIRST:
        return attempts >= _FIRST_TRIES
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return client_error and status not in _PASSING
