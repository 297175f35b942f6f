"""What was measured on a kind of machine when all was well: a JSON file for each kind, kept with the source.

It holds ratios to the yardstick of the same run, since those outlive a machine that changes its speed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent / "baselines"


class Figure(msgspec.Struct, frozen=True):
    """One measurement's ratios to its reference."""

    benchmark: str
    what: str
    higher_is_better: bool
    ratios: list[float]


class Baseline(msgspec.Struct, frozen=True):
    """All that was measured, and where."""

    machine: dict[str, str]
    figures: list[Figure]

    def ratios_of(self, benchmark: str, what: str) -> Sequence[float]:
        """Return what was measured then, nothing when it is new."""
        return next(
            (one.ratios for one in self.figures if (one.benchmark, one.what) == (benchmark, what)), []
        )


def path_for(machine: Mapping[str, str], folder: Path = FOLDER) -> Path:
    """Return the file of this kind of machine: its processor, cores and Python, not its kernel."""
    python = ".".join(machine["python"].split(".")[:2])
    kind = f"{machine['cpu']} python {python}".lower()
    return folder / (re.sub(r"[^a-z0-9]+", "-", kind).strip("-") + ".json")


def read_baseline(path: Path) -> Baseline | None:
    """Return the file's baseline, None when there is no file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Baseline)
    except FileNotFoundError:
        return None


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Replace the file; figures of benchmarks that were not measured now are kept."""
    before = read_baseline(path)
    measured = {figure.benchmark for figure in baseline.figures}
    kept = [] if before is None else [one for one in before.figures if one.benchmark not in measured]
    figures = sorted([*kept, *baseline.figures], key=lambda one: (one.benchmark, one.what))
    path.parent.mkdir(parents=True, exist_ok=True)
    encoded = msgspec.json.encode(Baseline(baseline.machine, figures))
    path.write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")
