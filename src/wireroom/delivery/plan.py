"""What to do next for a delivery. Pure; `delivery.sender` obeys.

Each part of an answer becomes one chat message in two steps. *Placing* sends a placeholder and learns its
message id; *filling* edits it into the content. An edit can be repeated without anybody seeing it twice, so
only placing can go wrong by a crash, and what it may leave behind is a placeholder, never a second answer.
That is remembered, and looked for twice: as soon as there is nothing to show, since a second placeholder
puzzles people, and again when the answer is shown, since by then far more of the other messages are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class PartState(StrEnum):
    """Where one part stands."""

    NEW = "new"
    """Nothing was sent."""
    SENDING = "sending"
    """The placeholder is on its way; after a crash or a time-out nobody knows whether it arrived."""
    UNCERTAIN = "uncertain"
    """As above, and known to be so: it is placed again, and the lost one is looked for."""
    PLACED = "placed"
    """The placeholder is shown and its message id is known."""
    SENT = "sent"
    """The content is shown."""


class Doubt(IntEnum):
    """Whether an earlier placeholder of a part may stand in the chat, unrecorded."""

    NONE = 0
    FRESH = 1
    """It may, and nobody has looked."""
    LOOKED = 2
    """It may; a first search is over, the thorough one comes when everything is shown."""


@dataclass(frozen=True, slots=True)
class PartView:
    """What the plan must know of a part."""

    seq: int
    state: PartState
    has_content: bool
    doubt: Doubt = Doubt.NONE
    is_voice: bool = False
    """It is sent whole by one call that must not be repeated."""
    replaces: bool = False
    """An earlier placeholder of it, on record, is to be deleted once its message stands."""


@dataclass(frozen=True, slots=True)
class Place:
    """Send the placeholder of part `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Fill:
    """Edit part `seq` into its content."""

    seq: int


@dataclass(frozen=True, slots=True)
class Speak:
    """Send part `seq`, a voice message."""

    seq: int


@dataclass(frozen=True, slots=True)
class LeaveOut:
    """Part `seq`, a voice message, may have been sent: nobody knows, and it is not said twice."""

    seq: int


@dataclass(frozen=True, slots=True)
class Render:
    """The body is known and has not been cut into parts yet."""


@dataclass(frozen=True, slots=True)
class Search:
    """Look for placeholders of part `seq` that were lost, and delete them."""

    seq: int
    thorough: bool
    """The last search of this part: everything is shown."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Delete the placeholder that the message of part `seq` has replaced."""

    seq: int


@dataclass(frozen=True, slots=True)
class Complete:
    """Every part is shown."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The placeholder is shown and the answer is not known yet."""


Step = Place | Fill | Speak | LeaveOut | Render | Search | Remove | Complete | Wait


def next_step(parts: Sequence[PartView], *, has_body: bool) -> Step:
    """Return the next step: parts in order, each placed and then filled; lost placeholders come last.

    What is recorded goes first, so that a service that dies again and again still gets on.

    Args:
        parts: By `seq`; there is always a first one.
        has_body: The answer is known.
    """
    if has_body and not all(part.has_content for part in parts):
        return Render()
    for part in parts:
        if part.is_voice and part.state is not PartState.SENT:
            return Speak(part.seq) if part.state is PartState.NEW else LeaveOut(part.seq)
        if part.state in {PartState.NEW, PartState.SENDING, PartState.UNCERTAIN}:
            return Place(part.seq)
        if part.state is PartState.PLACED and has_body:
            return Fill(part.seq)
    leftover = next((part for part in parts if _leaves_something(part, has_body=has_body)), None)
    if leftover is not None:
        return Remove(leftover.seq) if leftover.replaces else Search(leftover.seq, thorough=has_body)
    return Complete() if has_body else Wait()


def _leaves_something(part: PartView, *, has_body: bool) -> bool:
    return part.replaces or part.doubt is Doubt.FRESH or (part.doubt is Doubt.LOOKED and has_body)
