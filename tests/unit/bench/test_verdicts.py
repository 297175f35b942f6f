"""A regression is told from noise, promises are held on a slower machine, baselines outlive a rewrite."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from bench.baseline import Baseline, Figure, path_for, read_baseline, write_baseline
from bench.commands import line
from bench.harness import Measurement, find_benchmarks
from bench.targets import REFERENCE_PER_SECOND, TARGETS, YARDSTICK, machine_speed, outcome
from bench.verdict import judge, relative_error

MACHINE = {"cpu": "Some CPU, 2 cores", "kernel": "6", "python": "3.11.7", "sqlite": "3.53", "commit": "x"}


def noisy(middle: float, spread: float, seed: int, count: int = 9) -> list[float]:
    """Return samples about a value, as a noisy machine gives them."""
    draw = random.Random(seed)  # noqa: S311 - repeatable samples
    return [middle * draw.gauss(1, spread) for _ in range(count)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("higher_is_better", [True, False], ids=["rate", "cost"])
def test_a_fifth_slower_is_a_regression(seed: int, *, higher_is_better: bool) -> None:
    """Twenty per cent are found through noise of three, whichever way the figure counts."""
    slower = 1 / 1.2 if higher_is_better else 1.2
    before, after = noisy(100, 0.03, seed), noisy(100 * slower, 0.03, seed + 1000)
    assert judge("x", before, after, higher_is_better=higher_is_better).is_regression
    assert not judge("x", after, before, higher_is_better=higher_is_better).is_regression


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_regression(seed: int) -> None:
    """The same thing measured twice on a machine that wavers by a tenth is not called worse."""
    verdict = judge("x", noisy(5, 0.1, seed), noisy(5, 0.1, seed + 1000), higher_is_better=False)
    assert not verdict.is_regression, str(verdict)


def test_a_single_sample_has_no_noise() -> None:
    """What was measured once is taken at its word."""
    assert relative_error([3.0]) == 0
    assert judge("x", [1.0], [1.2], higher_is_better=False).is_regression


@pytest.mark.parametrize(
    ("per_second", "bare", "is_met", "is_met_unscaled"),
    [
        pytest.param(9_000, 21_000, True, True, id="as-promised"),
        pytest.param(4_200, 10_500, True, False, id="on-half-a-machine"),
        pytest.param(3_900, 10_500, False, False, id="missed-there-too"),
        pytest.param(7_000, 42_000, False, False, id="a-faster-machine-promises-no-more-and-no-less"),
    ],
)
def test_promises_are_scaled_by_a_slower_machine(
    per_second: float, bare: float, *, is_met: bool, is_met_unscaled: bool
) -> None:
    """The yardstick of the run says how fast the machine is."""
    found = Measurement("acknowledged durably, 32 connections", [per_second], "/s")
    held = outcome("webhook", found, machine_speed(bare))
    assert held is not None
    assert (held.is_met, held.is_met_unscaled) == (is_met, is_met_unscaled)


def test_latencies_are_scaled_the_other_way() -> None:
    """A machine of half the speed may take twice as long, at the percentile that is promised."""
    found = Measurement("latency of that", [10.0] * 90 + [35.0] * 10, "ms")
    held = outcome("webhook", found, machine_speed(REFERENCE_PER_SECOND / 2))
    assert held is not None
    assert (held.value, held.must_here, held.is_met) == (35.0, 40.0, True)


def test_rate_is_scaled_by_the_yardstick_of_its_own_turns() -> None:
    """A machine that slowed down since the webhook was measured is not held against what came later."""
    what = "accepted durably and dispatched, 16 connections"
    found = Measurement(what, [700.0], "/s", f"{YARDSTICK}, 16 connections", REFERENCE_PER_SECOND / 3)
    held = outcome("dispatch", found, machine_speed(REFERENCE_PER_SECOND))
    assert held is not None
    assert (round(held.must_here), held.is_met, held.is_met_unscaled) == (667, True, False)


def test_weights_are_not_scaled() -> None:
    """A page is as heavy on a slow machine as on a fast one."""
    found = Measurement("weight of the heaviest screen", [160.0], "kB")
    held = outcome("page", found, machine_speed(REFERENCE_PER_SECOND / 2))
    assert held is not None
    assert (held.must_here, held.is_met) == (150.0, False)


def test_every_promise_is_measured() -> None:
    """Each names a benchmark that there is, and what one of them calls its measurement."""
    source = "".join(path.read_text() for path in Path(__file__).parents[3].glob("bench/*.py"))
    names = find_benchmarks()
    for target in TARGETS:
        assert target.benchmark in names
        assert target.what in source or target.what.removeprefix("1000 ") in source, target.what


def test_baseline_keeps_what_was_not_measured_again(tmp_path: Path) -> None:
    """Writing the figures of one benchmark leaves the others; a kind of machine has one file."""
    path = path_for(MACHINE, tmp_path)
    assert path == path_for(MACHINE | {"kernel": "7", "python": "3.11.9"}, tmp_path)
    assert path != path_for(MACHINE | {"python": "3.12.1"}, tmp_path)
    assert read_baseline(path) is None
    webhook = Figure("webhook", "acknowledged", higher_is_better=True, ratios=[0.4, 0.5])
    write_baseline(path, Baseline(MACHINE, [webhook]))
    jobs = Figure("jobs", "no-op", higher_is_better=True, ratios=[0.9])
    write_baseline(path, Baseline(MACHINE, [jobs]))
    known = read_baseline(path)
    assert known is not None
    assert known.ratios_of("webhook", "acknowledged") == [0.4, 0.5]
    assert known.ratios_of("jobs", "no-op") == [0.9]
    assert known.ratios_of("jobs", "new") == []


def test_what_was_measured_elsewhere_is_told_and_never_judged_by() -> None:
    """A figure of another day is no yardstick of this run."""
    found = Measurement("one", [2.0], "ms", elsewhere="the older one: 2.35 ms")
    assert line(found).endswith("; elsewhere the older one: 2.35 ms")
    assert not found.ratios
