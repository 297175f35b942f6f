"""When a job whose handler raised is tried again. Pure: the time and the draw come in as arguments."""

from __future__ import annotations

from datetime import datetime, timedelta

from wireroom.jobs.port import RetryPolicy

_LARGEST_EXPONENT = 62


def next_attempt(policy: RetryPolicy, attempt: int, now: datetime, jitter: float) -> datetime | None:
    """Return when to run the job again, or None to give up.

    wait = min(policy.cap, policy.base * 2 ** (attempt - 1)) * (1 + jitter)

    Args:
        policy: The queue's rule.
        attempt: Tries made so far, >= 1.
        now: An aware UTC time.
        jitter: Share of the wait to add, in [0, policy.max_jitter]; the caller's draw.

    Returns:
        An aware UTC time after `now`; None once `attempt` is `policy.max_attempts`.
    """
    if attempt >= policy.max_attempts:
        return None
    doublings = min(attempt - 1, _LARGEST_EXPONENT)
    seconds = min(policy.cap.total_seconds(), policy.base.total_seconds() * 2.0**doublings)
    return now + timedelta(seconds=seconds) * (1 + jitter)
