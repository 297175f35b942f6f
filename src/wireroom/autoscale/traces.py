"""How much work arrives at each moment of a simulation. Pure but for reading a file."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from wireroom.errors import SettingsError

SPIKE = 10.0
"""How many times the usual rate a spike is."""
_MINUTE = 60.0


class Shape(StrEnum):
    """The shapes of arrival over time."""

    STEADY = "steady"
    """The usual rate."""
    STEP = "step"
    """Four times the usual rate from a third on."""
    SPIKE = "spike"
    """Ten times the usual rate for five minutes, then the usual one again."""
    DIURNAL = "diurnal"
    """A day of four hours: from half the usual rate to six times it and back."""
    BURSTS = "bursts"
    """Six times the usual rate for a minute, every twelve minutes."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrival over time."""

    name: str
    seconds: float
    per_second: Callable[[float], float]
    """Jobs a second at a second since the beginning."""
    spike: tuple[float, float] | None = None
    """From when to when it is at its worst, if it is so once."""


def trace_of(shape: Shape, usual: float) -> Trace:
    """Return the trace of a shape.

    Args:
        shape: Which.
        usual: Jobs a second.
    """
    match shape:
        case Shape.STEADY:
            return Trace(shape, 20 * _MINUTE, lambda _: usual)
        case Shape.STEP:
            return Trace(shape, 30 * _MINUTE, lambda at: usual * (4 if at >= 10 * _MINUTE else 1))
        case Shape.SPIKE:
            return spike_trace(usual, quiet=5 * _MINUTE, spike=5 * _MINUTE, after=30 * _MINUTE)
        case Shape.DIURNAL:
            return Trace(shape, 240 * _MINUTE, lambda at: usual * _of_day(at / (240 * _MINUTE)))
        case Shape.BURSTS:
            return Trace(shape, 60 * _MINUTE, lambda at: usual * (6 if _is_burst(at) else 1))


def spike_trace(usual: float, *, quiet: float, spike: float, after: float) -> Trace:
    """Return a spike of `SPIKE` times the usual rate; all times in seconds."""
    first, last = quiet, quiet + spike
    return Trace(
        Shape.SPIKE, last + after, lambda at: usual * (SPIKE if first <= at < last else 1.0), (first, last)
    )


def read_trace(path: Path) -> Trace:
    """Return the trace of a CSV file: `second,jobs a second`, each until the next line; the last ends it.

    Raises:
        SettingsError: the file cannot be read, or the seconds do not rise from 0.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [(float(second), float(rate)) for second, rate in csv.reader(lines)]
    except (OSError, ValueError) as error:
        raise SettingsError(f"--trace: {path} cannot be read: {error}") from error
    moments, rates = [row[0] for row in rows], [row[1] for row in rows]
    rises = all(one < other for one, other in pairwise(moments))
    if not rows[1:] or moments[0] != 0 or not rises or min(rates) < 0:
        raise SettingsError(f"--trace: {path} needs lines `second,jobs a second` that rise from second 0.")
    return Trace(path.stem, moments[-1], lambda at: rates[max(0, bisect_right(moments, at) - 1)])


def _of_day(part: float) -> float:
    """Return the share of the usual rate at a part of the day, 0.5 at its beginning and 6 in its middle."""
    return 0.5 + 5.5 * (1 - math.cos(2 * math.pi * part)) / 2


def _is_burst(at: float) -> bool:
    return at % (12 * _MINUTE) >= 11 * _MINUTE
