"""What a message means that comes while an agent is at work, and how the agent is told of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from wireroom.runs.side import is_side


class BusyMode(StrEnum):
    """What people may choose for a chat."""

    FOLLOWUP = "followup"
    """It waits for its turn."""
    COLLECT = "collect"
    """Those that come meanwhile become one request."""
    STEER = "steer"
    """It is given to the agent at work; one that cannot be told waits for its turn."""
    INTERRUPT = "interrupt"
    """The agent at work is stopped, and it comes next."""

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        return _SUMMARIES[self]


_SUMMARIES = {
    BusyMode.FOLLOWUP: "a message waits for its turn",
    BusyMode.COLLECT: "messages that come meanwhile become one request",
    BusyMode.STEER: "the agent at work is told, if it can be; else the message waits",
    BusyMode.INTERRUPT: "the agent at work is stopped, and the message comes next",
}

INTERRUPTING = -1
"""The priority of a run that goes before those that wait."""

_INTERRUPTED = "(This message interrupted what you were working on; that was stopped, and may be half done.)"


def is_chat(lane: str) -> bool:
    """Tell whether people can say something to an agent at work in the lane."""
    return lane.startswith("telegram:") and not is_side(lane)


def as_one(texts: Sequence[str]) -> str:
    """Return the messages as one prompt, a blank line between them."""
    return "\n\n".join(texts)


def told(prompt: str, busy: str | None) -> str:
    """Return what the agent is asked; one that was interrupted for it is told so."""
    return f"{_INTERRUPTED}\n\n{prompt}" if busy == BusyMode.INTERRUPT else prompt
