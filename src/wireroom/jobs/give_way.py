"""Lets the jobs of a queue start in gulps while something more urgent presses; a `jobs.port.Pace`."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta


class GiveWay:
    """Between the urgent work, which says when it presses, and the worker, which asks before it claims.

    The held queue goes on all the same: one gulp, as much as it has slots, at least each `interval`. Few
    large gulps cost less than many small ones, since a claim and a commit cost much the same for one job as
    for fifty.
    """

    def __init__(
        self,
        *,
        interval: timedelta = timedelta(milliseconds=120),
        lasts: timedelta = timedelta(milliseconds=20),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin calm.

        Args:
            interval: Time between two gulps while it presses.
            lasts: How long one word of `press` holds.
            monotonic: Seconds from any beginning.
        """
        self._interval = interval.total_seconds()
        self._lasts = lasts.total_seconds()
        self._monotonic = monotonic
        self._pressed_until = 0.0
        self._last_gulp = 0.0

    def press(self) -> None:
        """Say that urgent work presses now."""
        self._pressed_until = self._monotonic() + self._lasts

    def seconds_held(self) -> float:
        """Return how long the queue must still wait before it claims, 0 for not at all."""
        now = self._monotonic()
        if now >= self._pressed_until:
            return 0.0
        return max(0.0, min(self._last_gulp + self._interval, self._pressed_until) - now)

    def room(self, free: int) -> int:
        """Return all that is free: a gulp is as large as it can be."""
        return free

    def note_claim(self) -> None:
        """Take note that the queue has its gulp now."""
        self._last_gulp = self._monotonic()
