"""Is a figure worse than before, beyond what noise explains? Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

TOLERANCE = 0.08
"""A change that nobody is told of, however sure it is."""
_SURE = 3.0
"""Standard errors that a change must exceed."""
_MAD_TO_DEVIATION = 1.4826
_MEDIAN_TO_MEAN = 1.2533
"""How much wider the error of a median is than that of a mean, for normal noise."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure, before and after."""

    what: str
    before: float
    after: float
    worse_by: float
    """As a share: 0.2 is a fifth slower, or a fifth less a second; negative is better."""
    noise: float
    """Standard error of `worse_by`."""

    @property
    def is_regression(self) -> bool:
        """Tell whether it is worse by more than the tolerance, and surely so."""
        return self.worse_by > TOLERANCE and self.worse_by > _SURE * self.noise

    def __str__(self) -> str:
        """Return a line for people."""
        mark = "WORSE" if self.is_regression else "ok"
        return (
            f"  {mark:<6} {self.what:<60} {self.before:.4g} -> {self.after:.4g}"
            f"  ({self.worse_by:+.1%} worse, noise {self.noise:.1%})"
        )


def judge(what: str, before: Sequence[float], after: Sequence[float], *, higher_is_better: bool) -> Verdict:
    """Compare the medians of two sets of samples.

    worse_by = after / before - 1 for a cost, before / after - 1 for a rate

    Args:
        what: Names the figure.
        before: At least one sample, > 0.
        after: At least one sample, > 0, in the same unit.
        higher_is_better: True for a rate, False for a cost.
    """
    old, new = statistics.median(before), statistics.median(after)
    worse_by = old / new - 1 if higher_is_better else new / old - 1
    noise = math.hypot(relative_error(before), relative_error(after))
    return Verdict(what, old, new, worse_by, noise)


def relative_error(samples: Sequence[float]) -> float:
    """Return the standard error of the samples' median, as a share of it; 0 for a single sample."""
    middle = statistics.median(samples)
    deviation = statistics.median(abs(sample - middle) for sample in samples) * _MAD_TO_DEVIATION
    return _MEDIAN_TO_MEAN * deviation / math.sqrt(len(samples)) / middle
