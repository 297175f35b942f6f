"""Collects what the people do and experience, and gives it away a second at a time."""

from __future__ import annotations

import time

from wireroom.load.histogram import bin_of
from wireroom.load.samples import Promise, Second, Tally

_LONGEST_ERROR = 80


class Recorder:
    """The open second of a measurement; used from one thread."""

    def __init__(self) -> None:
        """Begin with an empty second."""
        self.asked: list[Promise] = []
        self.called: list[Promise] = []
        self.filed: list[Promise] = []
        self.events = 0
        self._requests: dict[str, Tally] = {}

    def note(self, name: str, ms: float, problem: str | None) -> None:
        """Count a request.

        Args:
            name: Its kind, such as `POST /api/tasks`.
            ms: Until its answer was whole.
            problem: Why it failed, None when it did not.
        """
        tally = self._requests.setdefault(name, Tally())
        tally.count += 1
        tally.total_ms += ms
        tally.most_ms = max(tally.most_ms, ms)
        number = bin_of(ms)
        tally.bins[number] = tally.bins.get(number, 0) + 1
        if problem is not None:
            tally.failed += 1
            words = problem[:_LONGEST_ERROR]
            tally.errors[words] = tally.errors.get(words, 0) + 1

    def take(self, people: int) -> Second:
        """Return what was collected since the last time, and begin anew.

        Args:
            people: How many act now.
        """
        second = Second(
            at=time.monotonic(),
            people=people,
            requests=self._requests,
            asked=self.asked,
            called=self.called,
            filed=self.filed,
            events=self.events,
        )
        self._requests, self.events = {}, 0
        self.asked, self.called, self.filed = [], [], []
        return second
