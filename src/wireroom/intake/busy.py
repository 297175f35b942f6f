"""What becomes of a message that comes while its chat is busy. Pure; `intake.busy_asking` obeys."""

from __future__ import annotations

from dataclasses import dataclass

from wireroom.runs.busy import BusyMode


@dataclass(frozen=True, slots=True)
class Standing:
    """How a chat stands when a message comes."""

    is_busy: bool = False
    """Something works or waits."""
    at_work: str | None = None
    """The run that works, unless it is being stopped."""
    takes_words: bool = False
    """Its agent can be told something while it works."""
    collecting: str | None = None
    """The run that collects, if it is the last of those that wait."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Store it as a request of its own, with its turn behind all others."""


@dataclass(frozen=True, slots=True)
class Collect:
    """Store it as a request that takes in what comes after it."""


@dataclass(frozen=True, slots=True)
class Join:
    """Give its words to the request that collects."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Offer:
    """Have the agent of this run told; should it not take it, it is a request with its turn."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Stop this run and ask it next, before all that wait."""

    run_id: str


Decision = Ask | Collect | Join | Offer | Interrupt


def decide(mode: BusyMode, standing: Standing, *, is_plain: bool) -> Decision:
    """Return what becomes of the message.

    Args:
        mode: What the chat wants.
        standing: How the chat stands.
        is_plain: The message is its text alone: no recording, no files, no wishes of its own. Others cannot
            be given to another request, and have their own turn.
    """
    match mode:
        case BusyMode.COLLECT if standing.is_busy and is_plain:
            return Join(standing.collecting) if standing.collecting else Collect()
        case BusyMode.STEER if standing.at_work and standing.takes_words and is_plain:
            return Offer(standing.at_work)
        case BusyMode.INTERRUPT if standing.at_work:
            return Interrupt(standing.at_work)
    return Ask()


def read_mode(word: str) -> BusyMode | None:
    """Return the mode of this name, None for any other word."""
    return BusyMode(word) if word in set(BusyMode) else None
