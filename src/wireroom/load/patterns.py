"""How many people act at each moment of a measurement. Pure.

Source: the patterns of docs/performance/load.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

STEPS = 10
"""Loads that `stress` tries, one after the other, each a tenth of the people more."""
_RAMP_SHARE = 0.1
_LONGEST_RAMP_SECONDS = 30.0
_SPIKE_FROM, _SPIKE_TO = 0.4, 0.6
_QUIET_SHARE = 0.1


class Pattern(StrEnum):
    """The shapes of a load over time."""

    STEADY = "steady"
    """A short ramp, then everybody until the end."""
    SPIKE = "spike"
    """A tenth of the people; everybody at once in the middle fifth of the time; a tenth again."""
    STRESS = "stress"
    """Ten steps of equal length, each with a tenth of the people more, to find the knee."""
    SOAK = "soak"
    """As steady, for long: what grows, leaks or slows down."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How long, and with how many people at most."""

    seconds: float
    people: int


USUAL = {
    Pattern.STEADY: Extent(60.0, 50),
    Pattern.SPIKE: Extent(60.0, 200),
    Pattern.STRESS: Extent(120.0, 300),
    Pattern.SOAK: Extent(600.0, 50),
}
"""What is measured unless said otherwise."""


def people_at(pattern: Pattern, second: float, extent: Extent) -> int:
    """Return how many people act at this second, 0 when it is over.

    Args:
        pattern: The shape.
        second: Since the beginning.
        extent: Its length, and the most people.
    """
    if not 0 <= second < extent.seconds:
        return 0
    match pattern:
        case Pattern.STEADY | Pattern.SOAK:
            ramp = min(extent.seconds * _RAMP_SHARE, _LONGEST_RAMP_SECONDS)
            return _share(extent.people, 1.0 if ramp <= 0 else (second + 1) / (ramp + 1))
        case Pattern.SPIKE:
            peak = _SPIKE_FROM <= second / extent.seconds < _SPIKE_TO
            return _share(extent.people, 1.0 if peak else _QUIET_SHARE)
        case Pattern.STRESS:
            return _share(extent.people, (step_at(second, extent) + 1) / STEPS)


def step_at(second: float, extent: Extent) -> int:
    """Return the step of `stress` that this second belongs to, 0 to 9; what comes late counts as the last."""
    return max(0, min(STEPS - 1, int(second / extent.seconds * STEPS)))


def _share(people: int, share: float) -> int:
    return max(1, math.ceil(people * min(1.0, share)))
