"""A clock that stands still until the test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A `wireroom.clock.Clock` whose two readings move together, and only by `advance`."""

    def __init__(self, start: datetime | None = None) -> None:
        """Start at an aware time; without one, on 1 January 2026, 12:00 UTC."""
        self._now = (start or datetime(2026, 1, 1, 12, tzinfo=UTC)).astimezone(UTC)
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the set moment as an aware UTC time."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds advanced since construction."""
        return self._monotonic

    def advance(self, by: timedelta | float) -> None:
        """Move on by a duration; a number means seconds.

        Raises:
            ValueError: the duration is negative; `monotonic` never runs backwards.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta(0):
            raise ValueError(f"a clock does not run backwards, got {step}")
        self._now += step
        self._monotonic += step.total_seconds()
