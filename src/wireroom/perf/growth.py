"""Tells a leak from a busy hour: does something grow and never come back? Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

PARTS = 4
FEWEST_LOOKS = 2 * PARTS


@dataclass(frozen=True, slots=True)
class Limit:
    """From when on growth is worth a word."""

    at_least: int
    """In the unit of what is counted."""
    share: float
    """Of what there was at first."""


def floors(values: Sequence[int]) -> list[int]:
    """Return the least value of each quarter: what is left when a busy moment is over."""
    size = len(values) / PARTS
    return [min(values[int(part * size) : int((part + 1) * size)]) for part in range(PARTS)]


def steady_growth(looks: Sequence[Mapping[str, int]], limit: Limit) -> dict[str, tuple[int, int]]:
    """Return what grew in every quarter of the looks and never came back, with its first and last floor.

    floors(quarter 1) < floors(quarter 2) < floors(quarter 3) < floors(quarter 4), and
    last - first >= max(limit.at_least, limit.share * first)

    Args:
        looks: Counts by name, oldest first, taken at equal distances; a name that is absent counts 0.
        limit: Less is not worth a word.

    Returns:
        Nothing while there are fewer than `FEWEST_LOOKS` looks.
    """
    if len(looks) < FEWEST_LOOKS:
        return {}
    found = {}
    for name in looks[-1]:
        lowest = floors([look.get(name, 0) for look in looks])
        grows = all(before < after for before, after in pairwise(lowest))
        if grows and lowest[-1] - lowest[0] >= max(limit.at_least, limit.share * lowest[0]):
            found[name] = (lowest[0], lowest[-1])
    return found
