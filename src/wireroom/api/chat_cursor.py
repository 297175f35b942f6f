"""How far a reader of a lane's live stream has come, as a text that the reader keeps. Pure.

    "1763769240000|run-a=17|run-b=4"

The number is the time (ms) from which runs of the lane are watched; each pair says how many events of a run
were sent. Runs whose end was sent leave the cursor once they lie `OVERLAP_MS` behind every open run: within
that span a run may still be stored with an earlier time than another, by a clock that is a little behind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wireroom.errors import BadInput

OVERLAP_MS = 10_000
_FORM = re.compile(r"\d{1,15}(?:\|[\w.:-]{1,100}=\d{1,9})*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the cursor needs to know of a run."""

    run_id: str
    queued_at: int
    event_count: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has come."""

    since_ms: int = 0
    """Runs queued from then on are watched."""
    sent: Mapping[str, int] = field(default_factory=dict)
    """By run id, how many events of it the reader has; an absent run is new to the reader."""

    def __str__(self) -> str:
        """Return the text that `parse_cursor` reads."""
        return "|".join([str(self.since_ms), *(f"{run_id}={count}" for run_id, count in self.sent.items())])

    def is_settled(self, run: Standing) -> bool:
        """Tell whether the reader has everything that there will ever be of the run."""
        return run.is_final and self.sent.get(run.run_id, -1) >= run.event_count


def parse_cursor(text: str) -> Cursor:
    """Read a cursor that was handed out before.

    Raises:
        BadInput: it has another form.
    """
    if not _FORM.fullmatch(text):
        raise BadInput("This cursor was not made by Wireroom; leave it out to begin anew.")
    since, *pairs = text.split("|")
    counts = (pair.rpartition("=") for pair in pairs)
    return Cursor(int(since), {run_id: int(count) for run_id, _, count in counts})


def first_cursor(runs: Sequence[Standing]) -> Cursor:
    """Return where a reader begins who was given the runs' rows: open runs' logs follow from their start."""
    return settle(runs, {run.run_id: run.event_count for run in runs if run.is_final})


def settle(runs: Sequence[Standing], sent: Mapping[str, int]) -> Cursor:
    """Return the shortest cursor for a reader to whom `sent` was sent.

    since = min(queued_at of the open runs and of the newest run) - OVERLAP_MS

    Args:
        runs: Every run of the lane that the cursor before it watched.
        sent: As in the cursor, with what was sent since.
    """
    if not runs:
        return Cursor()
    before = Cursor(0, sent)
    open_times = [run.queued_at for run in runs if not before.is_settled(run)]
    since = max(0, min([*open_times, max(run.queued_at for run in runs)]) - OVERLAP_MS)
    kept = {run.run_id: sent[run.run_id] for run in runs if run.queued_at >= since and run.run_id in sent}
    return Cursor(since, kept)
