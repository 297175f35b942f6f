"""Which of the waiting jobs may start now, and where the others wait. Pure.

The claim index holds the jobs in state `waiting`. Those that turn out not to be startable are put aside once
(`behind` another job of their key, or `delayed`), so that no claim looks at them again before their turn:
a hundred thousand jobs of one busy key cost each claim nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple


class Candidate(NamedTuple):
    """A row of the claim index, in the order of `store.job_rows.CANDIDATES`."""

    priority: int
    id: int
    queue: str
    kind: str
    ref: str
    key: str | None
    run_at: int
    attempts: int


@dataclass(slots=True)
class Choice:
    """What to do with the candidates."""

    start: list[Candidate] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)
    """Ids of jobs whose key is busy."""
    delayed: list[int] = field(default_factory=list)
    """Ids of jobs whose time has not come."""


def choose(
    candidates: Iterable[Candidate], room: Mapping[str, int], busy_keys: AbstractSet[str], now_ms: int
) -> Choice:
    """Return which candidates to start, at most `room[queue]` of each queue and one of each key.

    A job that waits for room in its queue still goes before later jobs of its key in another queue.

    Args:
        candidates: In (priority, id) order.
        room: Free slots by queue.
        busy_keys: Keys of jobs that are running.
        now_ms: Jobs whose `run_at` is later are delayed.
    """
    choice = Choice()
    left = dict(room)
    taken: set[str] = set()
    for candidate in candidates:
        key = candidate.key
        if candidate.run_at > now_ms:
            choice.delayed.append(candidate.id)
        elif key is not None and (key in busy_keys or key in taken):
            choice.behind.append(candidate.id)
        else:
            if left[candidate.queue] > 0:
                left[candidate.queue] -= 1
                choice.start.append(candidate)
            if key is not None:
                taken.add(key)
    return choice
