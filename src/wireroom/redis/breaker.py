"""Whether to ask Redis: a breaker, so that a dead server costs a few callers a time-out, not all. Pure.

    closed   Redis is asked.
    open     It is not: callers are told at once. Only the probe asks, less and less often.

A connection that is refused or lost opens it at once, since the client has tried again already. A reply that
comes too late opens it after `patience` others in a row: one slow command is not an outage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Failure(StrEnum):
    """How a command failed, as far as the breaker cares."""

    LOST = "lost"
    """No connection, or one that broke."""
    LATE = "late"
    """No reply in time."""


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """When to open, and how often to probe."""

    patience: int = 2
    """Late replies in a row that are borne; the next opens."""
    first_pause_seconds: float = 0.1
    longest_pause_seconds: float = 5.0
    idle_seconds: float = 5.0
    """How often it is looked at while it is closed."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where it stands."""

    is_open: bool = False
    late: int = 0
    """Replies in a row that came too late."""
    probes: int = 0
    """Failed probes since it opened."""
    reason: str = ""
    """Why it is open, for people."""

    def failed(self, rule: BreakerRule, failure: Failure, reason: str) -> Breaker:
        """Return where it stands after a command failed."""
        if self.is_open:
            return self
        late = self.late + 1
        if failure is Failure.LATE and late <= rule.patience:
            return replace(self, late=late)
        return Breaker(is_open=True, reason=reason)

    def succeeded(self) -> Breaker:
        """Return where it stands after a reply; one that was asked for before it opened does not close it."""
        return self if self.is_open or not self.late else Breaker()

    def probe_failed(self, reason: str) -> Breaker:
        """Return where it stands after a probe has found nothing."""
        return Breaker(is_open=True, probes=self.probes + 1, reason=reason)

    def pause_seconds(self, rule: BreakerRule, jitter: float) -> float:
        """Return how long to wait before the next probe.

        wait = min(longest_pause_seconds, first_pause_seconds * 2 ** probes) * (1 + jitter)

        Args:
            rule: See `BreakerRule`.
            jitter: Share of the wait to add, in [0, 1]; a draw, so that replicas do not probe at once.
        """
        doubled = rule.first_pause_seconds * 2.0 ** min(self.probes, 16)
        return float(min(rule.longest_pause_seconds, doubled) * (1 + jitter))
