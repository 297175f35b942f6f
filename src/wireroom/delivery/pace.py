"""Lets as many deliveries begin as there are permits for; a `jobs.port.Pace`.

Without it a flood of messages is claimed, told to wait by the lanes, and given back, one by one: four
statements and a task for each, and again at its next turn.
"""

from __future__ import annotations

from collections.abc import Callable

from wireroom.delivery.lanes import Lanes


class SendingPace:
    """Asks the lanes of the sender, who asks them again for each message: this takes no permit."""

    def __init__(self, lanes: Lanes, monotonic: Callable[[], float]) -> None:
        """Share the sender's lanes and the clock that they are asked with."""
        self._lanes = lanes
        self._monotonic = monotonic

    def seconds_held(self) -> float:
        """Return how long the overall limit leaves no permit."""
        return self._lanes.seconds_to_permit(self._monotonic())

    def room(self, free: int) -> int:
        """Return as many of the free slots as there are permits."""
        return min(free, self._lanes.permits(self._monotonic()))

    def note_claim(self) -> None:
        """Do nothing: what counts is who asks the lanes."""
