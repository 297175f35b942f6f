"""Lets as many deliveries begin as there are permits for; a `jobs.port.Pace`.

Without it a flood of messages is claimed, told to wait by the lanes, and given back, one by one: four
statements and a task for each, and again at its next turn.
"""

from __future__ import annotations

from typing import Protocol

_CALLS = 2
"""Of a message that is sent: its placeholder, and the edit that makes it the answer.

One that began with a permit for the first alone would ask in vain for the second, and be given back.
"""


class Supply(Protocol):
    """What is known of the permits: `permits.Permits` of one bot, `permits.PermitsByBot` of several."""

    def seconds_to_permits(self, count: int) -> float:
        """Return 0 while there seem to be `count` permits, else how long there are fewer."""
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
        """Return how long the overall limit leaves too few permits for a message."""
        return self._permits.seconds_to_permits(_CALLS)

    def room(self, free: int) -> int:
        """Return as many of the free slots as there are permits for all of a message, else for a part."""
        permits = self._permits.permits()
        return min(free, permits // _CALLS or permits)

    def note_claim(self) -> None:
        """Do nothing: what counts is who asks for a permit."""
