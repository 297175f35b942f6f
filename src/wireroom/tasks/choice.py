"""Which tasks are begun next. Pure.

Lowest `order` first, then lowest id; one that may not be begun yet is passed over and blocks nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from wireroom.tasks.states import TaskStatus


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that is ready, or that somebody says is in progress, with what may hold it back."""

    id: int
    order: object
    """A number, or whatever another program stored there."""
    status: int
    touched_at: int | None
    """When its row was last changed, in milliseconds; None when that is not known."""
    epoch: int = 0
    is_at_work: bool = False
    """A run of ours works on it."""
    is_dead: bool = False
    not_before: int | None = None
    next_try_at: int | None = None
    unmet: int = 0
    """Tasks that it waits for."""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may be at work at once."""

    at_once: int
    stuck_after_ms: int
    """After this time without a change, a task in progress that is not ours is taken up."""
    by_label: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AtWork:
    """What is at work now."""

    count: int
    by_label: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to begin, in this order."""

    tasks: Sequence[Candidate]
    look_again_at: int | None
    """When the first of those that were passed over may be begun; None when only an event can tell."""


def choose(candidates: Iterable[Candidate], bounds: Bounds, busy: AtWork, now_ms: int) -> Choice:
    """Return the tasks to begin.

    Args:
        candidates: In the board's order; read only until everything that may be at work is.
        bounds: What may be at work at once.
        busy: What is.
        now_ms: The time.
    """
    free = bounds.at_once - busy.count
    labels = Counter(busy.by_label)
    taken: list[Candidate] = []
    later: list[int] = []
    if free <= 0:
        return Choice((), None)
    for candidate in candidates:
        due = due_at(candidate, bounds.stuck_after_ms)
        if candidate.is_at_work or candidate.unmet:
            continue
        if due > now_ms:
            later.append(due)
        elif full_label(candidate.labels, bounds.by_label, labels) is None:
            taken.append(candidate)
            labels.update(candidate.labels)
            if len(taken) == free:
                break
    return Choice(tuple(taken), min(later, default=None))


def due_at(candidate: Candidate, stuck_after_ms: int) -> int:
    """Return when time alone lets the task begin; 0 for at once.

    A dead one that is ready again was made so by somebody who wants it tried: its wait is over.
    """
    if candidate.status == TaskStatus.IN_PROGRESS and candidate.touched_at is not None:
        return candidate.touched_at + stuck_after_ms
    next_try = 0 if candidate.is_dead else candidate.next_try_at or 0
    return max(candidate.not_before or 0, next_try)


def full_label(labels: Sequence[str], limits: Mapping[str, int], at_work: Mapping[str, int]) -> str | None:
    """Return the first label of which as many tasks are at work as may be, None when there is room."""
    return next(
        (label for label in labels if label in limits and at_work.get(label, 0) >= limits[label]), None
    )
