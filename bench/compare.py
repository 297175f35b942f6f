"""This checkout against another commit, by turns in one run, so that a noisy machine does not lie."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from bench.harness import Measurement
from bench.verdict import Verdict, judge
from wireroom.errors import SettingsError

ROOT = Path(__file__).parent.parent
_SECONDS = 900


class Told(msgspec.Struct):
    """A measurement as one process tells it to another, a JSON line each."""

    benchmark: str
    measurement: Measurement


def last_release() -> str:
    """Return the newest tag of this branch.

    Raises:
        SettingsError: there is none.
    """
    done = _git("describe", "--tags", "--abbrev=0")
    if done.returncode:
        raise SettingsError("There is no released tag to compare with. Name a commit: --against COMMIT.")
    return done.stdout.strip()


@contextmanager
def checkout(commit: str) -> Iterator[Path]:
    """Lend a folder with the files of that commit.

    Raises:
        SettingsError: there is no such commit, or it cannot be checked out.
    """
    with TemporaryDirectory(prefix="wireroom-bench-") as folder:
        path = Path(folder) / "tree"
        done = _git("worktree", "add", "--detach", str(path), commit)
        if done.returncode:
            raise SettingsError(f"--against: {commit} cannot be checked out ({done.stderr.strip()}).")
        try:
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


def measure(tree: Path, names: Sequence[str], *, short: bool) -> list[Told]:
    """Run the benchmarks of a checkout in a process of its own, with this Python and its packages.

    Raises:
        SettingsError: the checkout has no such benchmark, or it failed.
    """
    command = [sys.executable, "-m", "bench", "run", *names, "--json", *(["--short"] if short else [])]
    paths = os.pathsep.join((str(tree / "src"), str(tree)))
    done = subprocess.run(
        command,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        raise SettingsError(f"The benchmarks of {tree} failed:\n{done.stderr[-2000:]}")
    return [msgspec.json.decode(line, type=Told) for line in done.stdout.splitlines() if line.startswith("{")]


def compare(
    before: Path, after: Path, names: Sequence[str], *, rounds: int, short: bool
) -> Iterator[Sequence[Verdict]]:
    """Measure both by turns; yield the verdicts after each round, the last ones over all rounds.

    The first of a pair changes from round to round, since it finds the machine cooler.
    """
    figures: dict[str, _Figures] = {}
    for number in range(rounds):
        trees = (before, after) if number % 2 == 0 else (after, before)
        for tree in trees:
            for told in measure(tree, names, short=short):
                kept = figures.setdefault(f"{told.benchmark}: {told.measurement.what}", _Figures())
                kept.add(told.measurement, is_new=tree is after)
        yield [
            judge(what, kept.before, kept.after, higher_is_better=kept.higher_is_better)
            for what, kept in figures.items()
            if kept.before and kept.after
        ]


@dataclass(slots=True)
class _Figures:
    """One measurement of every round so far."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    higher_is_better: bool = True

    def add(self, found: Measurement, *, is_new: bool) -> None:
        # To the yardstick beside it where there is one: that leaves out the machine's own changes.
        value = statistics.median(found.ratios or found.samples)
        (self.after if is_new else self.before).append(value)
        self.higher_is_better = found.higher_is_better


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
