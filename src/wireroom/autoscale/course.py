"""What a simulation leaves, of a model or of real processes: moments, changes of scale, and every job."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """How it stood; times are seconds of the autoscaler's clock since the beginning."""

    at: float
    depth: float
    """Jobs that have or could have a slot."""
    age: float
    """How long the oldest job waits, seconds."""
    ready: int
    """Workers that take jobs."""
    replicas: int
    """Workers that there shall be."""
    ending: int
    """Workers that only finish what they have."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of scale."""

    at: float
    before: int
    after: int

    @property
    def sign(self) -> int:
        """1 for more replicas, -1 for fewer."""
        return 1 if self.after > self.before else -1


@dataclass(frozen=True, slots=True)
class Work:
    """One job."""

    due: float
    """When it arrived."""
    waited: float
    """Until it was begun for the first time, seconds."""
    seconds: float
    """How long it takes."""


@dataclass(frozen=True, slots=True)
class Course:
    """A whole simulation."""

    name: str
    moments: Sequence[Moment]
    changes: Sequence[Change]
    works: Sequence[Work]
    """Jobs that were begun."""
    spike: tuple[float, float] | None
    arrived: int
    finished: int
    doubled: int = 0
    """Jobs that two workers had at once."""
    interrupted: int = 0
    """Jobs that were taken from a worker which had to go, and begun again elsewhere."""


def demand(course: Course) -> list[int]:
    """Return, for each moment, how many jobs would be at work if each had been begun when it arrived.

    So many slots would have been right; unlike the depth it does not depend on what the autoscaler did.
    """
    begins = sorted(work.due for work in course.works)
    ends = sorted(work.due + work.seconds for work in course.works)
    return [bisect_right(begins, m.at) - bisect_right(ends, m.at) for m in course.moments]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least value that `share` of the values do not exceed, 0 without values. Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0
