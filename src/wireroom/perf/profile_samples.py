"""What every sampling profile comes down to: stacks with a weight, and what is hot in them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wireroom.perf.stacks import is_ours, short_file


class Spot(NamedTuple):
    """A function in a stack."""

    name: str
    """Its qualified name; without a file, that of a thread or a task; empty for an allocation."""
    file: str = ""
    """Its path; empty for a thread or a task."""
    line: int = 0
    """Where it begins, or the line that was at work."""

    @property
    def shown(self) -> str:
        """The spot as people read it: `accept.accept_update intake/accept.py:81`."""
        return f"{self.name} {short_file(self.file)}:{self.line}".lstrip() if self.file else self.name


@dataclass(frozen=True, slots=True)
class Sampled:
    """One stack and what it weighs."""

    spots: tuple[Spot, ...]
    """Outermost first."""
    weight: float
    """Seconds or bytes, as the profile says."""


@dataclass(frozen=True, slots=True)
class Hot:
    """A function and its share of a profile."""

    place: str
    itself: float
    """Weight of the stacks that end in it."""
    total: float
    """Weight of the stacks that it is in."""


def hottest(samples: Sequence[Sampled], most: int, *, only_ours: bool = False) -> list[Hot]:
    """Return the functions that most weight ends in; of ours, those that called most of it. Pure."""
    itself: dict[str, float] = defaultdict(float)
    total: dict[str, float] = defaultdict(float)
    for sample in samples:
        shown = [spot.shown for spot in sample.spots if spot.file and (not only_ours or is_ours(spot.file))]
        for name in set(shown):
            total[name] += sample.weight
        if shown:
            itself[shown[-1]] += sample.weight
    heaviest = sorted(itself.items(), key=lambda item: -item[1])[:most]
    return [Hot(name, weight, total[name]) for name, weight in heaviest]


def weight_of(samples: Sequence[Sampled]) -> float:
    """Return the weight of all stacks together. Pure."""
    return sum(sample.weight for sample in samples)


def by_root(samples: Sequence[Sampled]) -> dict[str, float]:
    """Return the weight of each thread or task, the heaviest first. Pure."""
    found: dict[str, float] = defaultdict(float)
    for sample in samples:
        if sample.spots:
            found[sample.spots[0].shown] += sample.weight
    return dict(sorted(found.items(), key=lambda item: -item[1]))
