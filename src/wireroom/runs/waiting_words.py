"""What a placeholder says of a request that waits. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wireroom.runs.busy import BusyMode
from wireroom.runs.options import RunOptions

TELLING = "🕐 Telling the agent at work …"
TOLD = "↪️ The agent at work was told; its answer stands above."
WORKING = "⏳ Working …"
_WAITING = "🕐"


def is_waiting(opening: str) -> bool:
    """Tell whether a placeholder says that its request waits."""
    return opening.startswith(_WAITING)


def in_line(ahead: int, *, collected: int = 0) -> str:
    """Return where a request stands, such as "🕐 3 messages collected, number 1 in line".

    Args:
        ahead: Requests of the same lane that come before, at least 1.
        collected: Messages that it has taken in, its own included; 0 for one that takes in none.
    """
    place = f"number {ahead} in line"
    if not collected:
        return f"{_WAITING} Queued, {place}"
    return f"{_WAITING} {collected} message{'' if collected == 1 else 's'} collected, {place}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that waits behind a run at work."""

    run_id: str
    options: RunOptions
    joined: int = 0
    """Messages that went to it."""
    is_told: bool = False
    """It is being told to the agent at work."""


def place_texts(waiting: Sequence[Waiting]) -> Mapping[str, str]:
    """Return what the placeholders say of those who wait, given by the time at which they came.

    One that is spoken says what was heard, and is left as it is; one that is being told to the agent says so,
    though it keeps its place in the line.
    """
    turns = sorted(waiting, key=lambda one: one.options.busy != BusyMode.INTERRUPT)
    texts = {}
    for place, one in enumerate(turns, start=1):
        if one.is_told:
            texts[one.run_id] = TELLING
        elif one.options.recording is None:
            collects = one.options.busy == BusyMode.COLLECT
            texts[one.run_id] = in_line(place, collected=one.joined + 1 if collects else 0)
    return texts
