"""What to do next for a delivery. Pure; `delivery.sender` obeys.

Each part of an answer becomes one chat message in two steps. *Placing* sends a placeholder and learns its
message id; *filling* edits it into the content. An edit can be repeated without anybody seeing it twice, so
only placing can go wrong by a crash, and what it may leave behind is a placeholder, never a second answer.
That is remembered, and looked for when nothing more urgent is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class PartView:
    """What the plan must know of a part."""

    seq: int
    state: PartState
    has_content: bool
    doubted: bool = False
    """An earlier placeholder of this part may stand in the chat, unrecorded."""


@dataclass(frozen=True, slots=True)
class Place:
    """Send the placeholder of part `seq`."""

    seq: int


@dataclass(frozen=True, slots=True)
class Fill:
    """Edit part `seq` into its content."""

    seq: int


@dataclass(frozen=True, slots=True)
class Render:
    """The body is known and has not been cut into parts yet."""


@dataclass(frozen=True, slots=True)
class Search:
    """Look for placeholders of part `seq` that were lost, and delete them."""

    seq: int


@dataclass(frozen=True, slots=True)
class Complete:
    """Every part is shown."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The placeholder is shown and the answer is not known yet."""


Step = Place | Fill | Render | Search | Complete | Wait


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
        if part.state in {PartState.NEW, PartState.SENDING, PartState.UNCERTAIN}:
            return Place(part.seq)
        if part.state is PartState.PLACED and has_body:
            return Fill(part.seq)
    for part in parts:
        if part.doubted:
            return Search(part.seq)
    return Complete() if has_body else Wait()
