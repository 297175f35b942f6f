"""Two commits held together: which figures are judged, what is checked out, how a benchmark is ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from bench.compare import FEWEST_ROUNDS, Told, checkout, compare, end_group, measure
from bench.harness import Measurement

from wireroom.errors import SettingsError

BEFORE, AFTER = Path("before"), Path("after")
TOLD = '{"benchmark":"runs","measurement":{"what":"a run","samples":[2.0],"unit":"ms"}}'


def told(**figures: float) -> list[Told]:
    """Return measurements by name, in milliseconds."""
    return [Told("x", Measurement(what, [value], "ms")) for what, value in figures.items()]


def tree_with(folder: Path, program: str) -> Path:
    """Return a checkout whose benchmarks are this program."""
    (folder / "bench").mkdir()
    (folder / "bench" / "__main__.py").write_text(dedent(program))
    (folder / "bench" / "commands.py").touch()
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository of two commits, the first of which is tagged `old`."""
    commands = (
        ["init", "--quiet"],
        ["add", "."],
        ["commit", "--quiet", "--message", "one"],
        ["tag", "old"],
        ["commit", "--quiet", "--allow-empty", "--message", "two"],
    )
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "file").write_text("of the commit")
    for command in commands:
        _git(tmp_path, *command)
    (tmp_path / "bench" / "file").write_text("not committed")
    return tmp_path


def _git(where: Path, *arguments: str) -> str:
    somebody = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    done = subprocess.run(
        ["git", *somebody, *arguments], cwd=where, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_commits_are_measured_by_turns_and_judged_once_noise_is_known() -> None:
    """The first of a pair changes each round; from the third on there is a verdict, over all so far."""
    measured: list[Path] = []

    def by(tree: Path) -> Sequence[Told]:
        measured.append(tree)
        return told(run=2.0 if tree is AFTER else 1.0)

    rounds = list(compare(BEFORE, AFTER, by, rounds=4))
    assert measured == [BEFORE, AFTER, AFTER, BEFORE] * 2
    assert [len(one.verdicts) for one in rounds] == [0, 0, 1, 1]
    [verdict] = rounds[-1].verdicts
    assert (verdict.what, verdict.is_regression) == ("x: run", True)


def test_figures_without_a_ratio_are_named_not_judged() -> None:
    """What only one commit has, or what is nothing in one, is no verdict and no error."""

    def by(tree: Path) -> Sequence[Told]:
        return told(both=1.0, gone=1.0, none=0.0) if tree is BEFORE else told(both=1.0, new=1.0, none=2.0)

    *_, last = compare(BEFORE, AFTER, by, rounds=FEWEST_ROUNDS)
    assert [verdict.what for verdict in last.verdicts] == ["x: both"]
    assert sorted(last.alone) == ["x: gone", "x: new", "x: none"]


def test_commits_without_a_common_figure_are_not_called_equal() -> None:
    """A benchmark that was renamed says so after the first round, instead of finding nothing worse."""

    def by(tree: Path) -> Sequence[Told]:
        return told(gone=1.0) if tree is BEFORE else told(new=1.0)

    with pytest.raises(SettingsError, match="no figure that both have: x: gone, x: new"):
        list(compare(BEFORE, AFTER, by, rounds=FEWEST_ROUNDS))


def test_a_share_of_hits_is_better_when_it_is_higher() -> None:
    """Fewer hits are worse, as fewer requests a second are; a longer time is."""
    better = {unit: Measurement("x", [1.0], unit).higher_is_better for unit in ("%", "/s", "ms", "MiB")}
    assert better == {"%": True, "/s": True, "ms": False, "MiB": False}


def test_checkout_lends_the_commit_and_leaves_nothing(repository: Path) -> None:
    """The folder has the commit's files, lies beside the benchmarks, and is gone afterwards, for git too."""
    with checkout("old", repository) as tree:
        assert (tree / "bench" / "file").read_text() == "of the commit"
        assert tree.is_relative_to(repository / "bench")
    assert [one.name for one in (repository / "bench").iterdir()] == ["file"]
    assert len(_git(repository, "worktree", "list").splitlines()) == 1


def test_checkout_is_given_back_on_sigterm(repository: Path) -> None:
    """Who ends the comparison, as `timeout` does, finds no folder and no worktree left."""

    def work() -> None:
        with checkout("old", repository):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit):
        work()
    assert len(_git(repository, "worktree", "list").splitlines()) == 1


def test_checkout_of_no_commit_is_refused(repository: Path) -> None:
    """The refusal names what was asked for."""
    with pytest.raises(SettingsError, match="nosuch cannot be checked out"), checkout("nosuch", repository):
        pass


def test_measure_runs_the_code_of_the_checkout(tmp_path: Path) -> None:
    """Its own benchmarks and its own sources are found first, and JSON lines are what it tells."""
    program = f"""
        import os, pathlib, sys
        here = pathlib.Path.cwd()
        assert os.environ["PYTHONPATH"] == f"{{here / 'src'}}{{os.pathsep}}{{here}}"
        assert sys.argv[1:] == ["run", "runs", "--json", "--short"], sys.argv
        print("not a measurement")
        print('{TOLD}')
    """
    [found] = measure(tree_with(tmp_path, program), ["runs"], short=True)
    assert (found.benchmark, found.measurement.what, found.measurement.samples) == ("runs", "a run", [2.0])


@pytest.mark.parametrize(
    ("program", "refusal"),
    [
        pytest.param(
            "raise SystemExit('No benchmark called x.')", "failed:\nNo benchmark called x", id="fails"
        ),
        pytest.param("print('{\"other\": 1}')", "cannot be read here", id="other-format"),
    ],
)
def test_measure_says_what_went_wrong(program: str, refusal: str, tmp_path: Path) -> None:
    """What the checkout said is in the refusal."""
    with pytest.raises(SettingsError, match=re.escape(refusal)):
        measure(tree_with(tmp_path, program), ["x"], short=False)


def test_measure_refuses_a_commit_without_the_command(tmp_path: Path) -> None:
    """A commit from before `wireroom bench` is told as that."""
    with pytest.raises(SettingsError, match="older than `wireroom bench`"):
        measure(tmp_path, ["x"], short=False)


def test_measure_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    """The refusal says how long was too long."""
    with pytest.raises(SettingsError, match=re.escape("took longer than 0.2 s")):
        measure(tree_with(tmp_path, "import time; time.sleep(60)"), ["x"], short=False, seconds=0.2)


def test_benchmark_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """A service that it started hears of the end, too, and does not go on beside the next benchmark."""
    service = "trap 'echo ended > told; exit' INT; echo ready; while :; do sleep 0.05; done"
    heeds = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heeds}; import subprocess; subprocess.call(['sh', '-c', {service!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        end_group(process)
    assert (tmp_path / "told").read_text() == "ended\n"
