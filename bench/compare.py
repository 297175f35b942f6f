"""This checkout against another commit, by turns in one run, so that a noisy machine does not lie."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import msgspec

from bench.harness import Measurement
from bench.verdict import Verdict, judge
from wireroom.errors import SettingsError

ROOT = Path(__file__).parent.parent
FEWEST_ROUNDS = 3
"""Of fewer nobody can say how noisy they are."""
_SECONDS = 900.0
_GRACE_SECONDS = 30.0


class Told(msgspec.Struct):
    """A measurement as one process tells it to another, a JSON line each."""

    benchmark: str
    measurement: Measurement


Measure = Callable[[Path], Sequence[Told]]
"""Measures the checkout in a folder; see `measure`."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is known after a round."""

    verdicts: Sequence[Verdict]
    """Over all rounds so far; none before there are `FEWEST_ROUNDS`."""
    alone: Sequence[str]
    """Figures that only one of both has, or that are 0 in one: they have no ratio."""


def last_release() -> str:
    """Return the newest tag of this branch.

    Raises:
        SettingsError: there is none.
    """
    done = _git(ROOT, "describe", "--tags", "--abbrev=0")
    if done.returncode:
        raise SettingsError("There is no released tag to compare with. Name a commit: --against COMMIT.")
    return done.stdout.strip()


@contextmanager
def checkout(commit: str, source: Path = ROOT) -> Iterator[Path]:
    """Lend a folder with the files of that commit, on the disk of the source: the system's may be memory.

    SIGTERM ends the block as an exception does, so that neither the folder nor a benchmark is left behind.

    Raises:
        SettingsError: there is no such commit, or it cannot be checked out.
    """
    with TemporaryDirectory(dir=source / "bench", prefix=".data-") as folder:
        path = Path(folder) / "tree"
        done = _git(source, "worktree", "add", "--detach", str(path), commit)
        if done.returncode:
            raise SettingsError(f"--against: {commit} cannot be checked out ({done.stderr.strip()}).")
        usual = signal.signal(signal.SIGTERM, _leave)
        try:
            yield path
        finally:
            signal.signal(signal.SIGTERM, usual)
            _git(source, "worktree", "remove", "--force", str(path))


def measure(tree: Path, names: Sequence[str], *, short: bool, seconds: float = _SECONDS) -> Sequence[Told]:
    """Run the benchmarks of a checkout in a process of its own, with this Python and its packages.

    Raises:
        SettingsError: the checkout has no such benchmark, or it failed, or took longer than `seconds`.
    """
    if not (tree / "bench" / "commands.py").is_file():
        raise SettingsError("That commit is older than `wireroom bench` and cannot be measured by it.")
    command = [sys.executable, "-m", "bench", "run", *names, "--json", *(["--short"] if short else [])]
    found = _output(tree, command, seconds)
    try:
        return [msgspec.json.decode(line, type=Told) for line in found.splitlines() if line.startswith("{")]
    except msgspec.MsgspecError as error:
        raise SettingsError(f"The benchmarks of {tree} tell what cannot be read here: {error}.") from error


def end_group(process: subprocess.Popen[str]) -> None:
    """End a benchmark that still runs, with all that it started: as Ctrl-C does, and by force in the end.

    Args:
        process: The leader of a process group of its own.
    """
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def compare(before: Path, after: Path, by: Measure, *, rounds: int) -> Iterator[Round]:
    """Measure both by turns; yield what is known after each round.

    The first of a pair changes from round to round, since it finds the machine cooler.

    Raises:
        SettingsError: the two have no figure in common.
    """
    figures: dict[str, _Figures] = {}
    for number in range(1, rounds + 1):
        for tree in (before, after) if number % 2 else (after, before):
            for told in by(tree):
                kept = figures.setdefault(f"{told.benchmark}: {told.measurement.what}", _Figures())
                kept.add(told.measurement, is_new=tree is after)
        common = {what: kept for what, kept in figures.items() if kept.has_ratio}
        if not common:
            raise SettingsError(f"There is no figure that both have: {', '.join(figures) or 'none at all'}.")
        verdicts = [kept.verdict(what) for what, kept in common.items()] if number >= FEWEST_ROUNDS else []
        yield Round(verdicts, [what for what in figures if what not in common])


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

    @property
    def has_ratio(self) -> bool:
        return all(values and min(values) > 0 for values in (self.before, self.after))

    def verdict(self, what: str) -> Verdict:
        return judge(what, self.before, self.after, higher_is_better=self.higher_is_better)


def _output(tree: Path, command: Sequence[str], seconds: float) -> str:
    with subprocess.Popen(
        command,
        cwd=tree,
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tree / "src"), str(tree)))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        try:
            found, said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise SettingsError(f"The benchmarks of {tree} took longer than {seconds:g} s.") from error
        finally:
            end_group(process)
    if process.returncode:
        raise SettingsError(f"The benchmarks of {tree} failed:\n{said[-2000:]}")
    return found


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    raise SystemExit(128 + number)


def _git(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["git", *arguments],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
