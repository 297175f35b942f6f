"""The states of a run and of an attempt, and which moves are allowed. Pure."""

from __future__ import annotations

from enum import StrEnum

from wireroom.errors import Conflict


class RunMode(StrEnum):
    """How a run works."""

    EXECUTE = "execute"
    """The agent is asked once."""
    ITERATE = "iterate"
    """Its work is reviewed and goes on until the review says complete, or its bounds are reached."""


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    """Stored, waits for its turn; also after an interruption, until the next attempt begins."""
    RUNNING = "running"
    """An attempt holds the lease."""
    SUCCEEDED = "succeeded"
    """The agent ended with exit 0 and reported no error."""
    FAILED = "failed"
    """The agent ended otherwise, or could not be started."""
    EXHAUSTED = "exhausted"
    """The rounds, minutes or money of its loop are used up, and no review has said complete."""
    TIMED_OUT = "timed_out"
    """Longer, or silent for longer, than its limits allow."""
    CANCELLED = "cancelled"
    """A person stopped it."""
    INTERRUPTED = "interrupted"
    """Wireroom went down during it and policy says not to try again."""
    JOINED = "joined"
    """Its words went to another run, which answers them."""

    @property
    def is_final(self) -> bool:
        """True when nothing follows."""
        return self not in {RunState.QUEUED, RunState.RUNNING}


_MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset(RunState)
    - {RunState.QUEUED, RunState.SUCCEEDED, RunState.EXHAUSTED, RunState.TIMED_OUT},
    RunState.RUNNING: frozenset(RunState) - {RunState.RUNNING, RunState.JOINED},
}


def check_move(before: RunState, after: RunState) -> None:
    """Refuse a move that no run may make.

    Raises:
        Conflict: names both states.
    """
    if after not in _MOVES.get(before, frozenset()):
        raise Conflict(f"A run that is {before} cannot become {after}.")
