"""Figures that a test measured, for `pytest -s`."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def show(line: str) -> None:
    """Print one line of evidence."""
    sys.stdout.write(f"\n{line}")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that the share, in [0, 1], of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
