"""Lets as many deliveries begin as there are permits for; a `jobs.port.Pace`.

Without it a flood of messages is claimed, told to wait by the lanes, and given back, one by one: four
statements and a task for each, and again at its next turn.
"""

from __future__ import annotations

from typing import Protocol


class Supply(Protocol):
    """What is known of the permits: `permits.Permits` of one bot, `permits.PermitsByBot` of several."""

    def seconds_to_permit(self) -> float:
        """Return 0 while there seems to be a permit, else how long there is none."""
        ...

    def permits(self) -> int:
        """Return how many permits there seem to be."""
        ...


class SendingPace:
    """Looks at the permits of the sender, who asks for one for each call: this takes none."""

    def __init__(self, permits: Supply) -> None:
        """Share the sender's permits."""
        self._permits = permits

    def seconds_held(self) -> float:
        """Return how long the overall limit leaves no permit."""
        return self._permits.seconds_to_permit()

    def room(self, free: int) -> int:
        """Return as many of the free slots as there are permits."""
        return min(free, self._permits.permits())

    def note_claim(self) -> None:
        """Do nothing: what counts is who asks for a permit."""
