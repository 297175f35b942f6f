"""The model under the manifest that clusters are given, and under ones that must not pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from wireroom.autoscale.course import Change, Course, Moment, Work, demand, percentile
from wireroom.autoscale.drawing import draw
from wireroom.autoscale.gauges import figure
from wireroom.autoscale.manifest import read_autoscaler
from wireroom.autoscale.model import AGE_METRIC, DEPTH_METRIC, Gauge, Seen, Site, as_maximum, simulate
from wireroom.autoscale.spec import (
    Metric,
    MetricKind,
    Policy,
    PolicyKind,
    Rules,
    Spec,
    TargetKind,
)
from wireroom.autoscale.traces import Shape, Trace, read_trace, spike_trace, trace_of
from wireroom.autoscale.verdicts import flapping, judge, summary
from wireroom.errors import SettingsError

MANIFEST = Path(__file__).parents[3] / "deploy" / "kubernetes" / "components" / "hpa" / "autoscalers.yaml"
WORKERS = read_autoscaler(MANIFEST, "worker")
USUAL = 0.2
WAIT_TARGET_SECONDS = 30.0
DEPTH = Metric(MetricKind.EXTERNAL, DEPTH_METRIC, TargetKind.AVERAGE_VALUE, 4)
HASTY = Rules(0, (Policy(PolicyKind.PERCENT, 100, 15),))
"""Scales in at once by whatever a single look says."""


def _failed(course: Course) -> list[str]:
    verdicts = judge(course, wait_target_seconds=WAIT_TARGET_SECONDS)
    return [verdict.name for verdict in verdicts if not verdict.holds]


def _mean_replicas(course: Course) -> float:
    return sum(moment.replicas for moment in course.moments) / len(course.moments)


def _summed(seen: Seen, processes: int) -> Seen:
    return Seen(seen.depth * processes, seen.age * processes)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("shape", [shape for shape in Shape if shape is not Shape.DIURNAL])
def test_promises_hold_with_the_manifest_of_clusters(shape: Shape, seed: int) -> None:
    """No flapping, nothing lost or taken from a worker, p95 of waits in the target, at a spike, too."""
    course = simulate(WORKERS, trace_of(shape, USUAL), Site(seed=seed))
    assert course.arrived > 100
    assert _failed(course) == []


def test_promises_hold_over_a_day() -> None:
    """Noise on the way up and down a day's slope makes nothing flap; workers follow the demand."""
    course = simulate(WORKERS, trace_of(Shape.DIURNAL, USUAL / 2), Site())
    assert _failed(course) == []
    assert max(moment.replicas for moment in course.moments) > 3 * WORKERS.min_replicas


@pytest.mark.parametrize(
    ("spec", "gauge", "shape"),
    [
        pytest.param(replace(WORKERS, down=HASTY), as_maximum, Shape.STEADY, id="no stabilisation"),
        pytest.param(replace(WORKERS, down=HASTY), as_maximum, Shape.BURSTS, id="no stabilisation, bursts"),
        pytest.param(replace(WORKERS, down=HASTY), _summed, Shape.STEADY, id="no stabilisation, summed"),
    ],
)
def test_bad_autoscaler_flaps(spec: Spec, gauge: Gauge, shape: Shape) -> None:
    """The verdict can fail: without a window a cluster would do and undo, and that is seen."""
    assert _failed(simulate(spec, trace_of(shape, USUAL), Site(), gauge)) == ["flapping"]


def test_sum_over_processes_runs_away() -> None:
    """Summed over pods, a figure of the whole grows with every pod: a load for two holds twenty."""
    right = simulate(WORKERS, trace_of(Shape.STEADY, USUAL), Site())
    wrong = simulate(WORKERS, trace_of(Shape.STEADY, USUAL), Site(), _summed)
    assert max(moment.replicas for moment in wrong.moments) == WORKERS.max_replicas
    assert _mean_replicas(wrong) > 5 * _mean_replicas(right)


def test_depth_without_what_runs_is_scaled_in_while_busy() -> None:
    """A figure of waiting jobs alone reads 0 as soon as there are enough workers, and sends them away."""

    def waiting(seen: Seen, processes: int) -> Seen:
        return Seen(max(0.0, seen.depth - processes * Site().slots), seen.age)

    steady = replace(trace_of(Shape.STEADY, 4 * USUAL), seconds=3600)
    assert "flapping" in _failed(simulate(WORKERS, steady, Site(), waiting))
    assert _failed(simulate(WORKERS, steady, Site())) == []


def test_slow_start_breaks_the_wait_target() -> None:
    """Workers that need two minutes to start are too late for a spike, and the verdict says so."""
    course = simulate(WORKERS, trace_of(Shape.SPIKE, USUAL), Site(start_seconds=120))
    assert _failed(course) == ["wait p95"]


def test_grace_that_is_too_short_takes_work_from_workers() -> None:
    """What is not done when a worker's grace ends is begun again elsewhere: not lost, but told."""
    course = simulate(WORKERS, trace_of(Shape.SPIKE, USUAL), Site(grace_seconds=5))
    assert _failed(course) == ["interrupted"]
    assert course.interrupted > 0
    assert course.finished == course.arrived


def test_autoscaler_without_a_metric_of_the_queue_is_refused() -> None:
    """Processor and memory are not modelled; what they alone drive would never move."""
    with pytest.raises(SettingsError, match=DEPTH_METRIC):
        simulate(replace(WORKERS, metrics=WORKERS.metrics[:1]), trace_of(Shape.STEADY, USUAL), Site())


# Verdicts


def _course(changes: list[Change], works: list[Work], **more: int) -> Course:
    moments = [Moment(15.0 * number, 0, 0, 2, 2, 0) for number in range(60)]
    counts = {"arrived": len(works), "finished": len(works)} | more
    return Course("made up", moments, changes, works, None, **counts)


STEADY_WORK = [Work(float(second), 0.0, 30.0) for second in range(900)]


@pytest.mark.parametrize(
    ("changes", "flaps"),
    [
        pytest.param([Change(300, 2, 3), Change(400, 3, 2)], 1, id="out and in again"),
        pytest.param([Change(300, 2, 3), Change(601, 3, 2)], 0, id="in again after the window"),
        pytest.param([Change(300, 3, 2), Change(400, 2, 3)], 1, id="in and out again without more demand"),
        pytest.param([Change(300, 2, 3), Change(315, 3, 5)], 0, id="out and out"),
        pytest.param([Change(300, 5, 4), Change(360, 4, 3)], 0, id="in and in"),
    ],
)
def test_change_that_is_undone_is_flapping(changes: list[Change], flaps: int) -> None:
    """A direction that turns around within five minutes was wrong, unless demand itself turned."""
    assert len(flapping(_course(changes, STEADY_WORK))) == flaps


def test_change_that_new_demand_undoes_is_none() -> None:
    """More demand than in the window before could not be known."""
    surge = [Work(390.0, 0.0, 30.0) for _ in range(50)]
    assert flapping(_course([Change(300, 3, 2), Change(400, 2, 3)], [*STEADY_WORK, *surge])) == []


def test_each_promise_can_break() -> None:
    """Lost, doubled and slow work each have a verdict of their own."""
    slow = [replace(work, waited=31.0) for work in STEADY_WORK]
    assert _failed(_course([], slow, finished=899, doubled=1)) == ["work lost", "run by two", "wait p95"]


def test_demand_does_not_depend_on_waits() -> None:
    """It is what would be at work if everything were begun when it arrives."""
    works = [Work(10.0, 0.0, 30.0), Work(20.0, 500.0, 30.0), Work(45.0, 0.0, 1.0)]
    assert demand(_course([], works))[:5] == [0, 1, 2, 2, 0]
    assert summary(_course([], works), 1) == "workers: 2 to 2, mean 2.0; demand: mean 0.1, most 2.0"


@pytest.mark.parametrize(("values", "expected"), [([], 0.0), ([3.0], 3.0), (list(range(1, 101)), 95)])
def test_percentile_is_the_nearest_rank(values: list[float], expected: float) -> None:
    """Of a hundred values the 95th smallest."""
    assert percentile(values, 0.95) == expected


# Figures


RUNS = '{queue="runs"}'
MAIL = '{queue="delivery"}'


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        pytest.param(replace(DEPTH, labels={"queue": "runs"}), 7.0, id="one queue: the maximum of processes"),
        pytest.param(DEPTH, 9.0, id="several queues: the sum of their maxima"),
        pytest.param(replace(DEPTH, name=AGE_METRIC), 30.0, id="ages: the highest of any queue"),
        pytest.param(replace(DEPTH, labels={"queue": "tasks"}), None, id="no such series"),
    ],
)
def test_figure_is_the_maximum_over_processes(metric: Metric, expected: float | None) -> None:
    """Processes tell the same figure of the whole, one of them a little earlier than the other."""
    scrapes = [
        {DEPTH_METRIC + RUNS: 7.0, DEPTH_METRIC + MAIL: 2.0, AGE_METRIC + RUNS: 30.0, AGE_METRIC + MAIL: 1.0},
        {DEPTH_METRIC + RUNS: 6.0, AGE_METRIC + RUNS: 29.0},
    ]
    assert figure(metric, scrapes) == expected


# Traces


@pytest.mark.parametrize(
    ("trace", "second", "per_second"),
    [
        (trace_of(Shape.STEADY, 1), 900, 1),
        (trace_of(Shape.STEP, 1), 599, 1),
        (trace_of(Shape.STEP, 1), 600, 4),
        (trace_of(Shape.DIURNAL, 1), 0, 0.5),
        (trace_of(Shape.DIURNAL, 1), 7200, 6),
        (trace_of(Shape.BURSTS, 1), 650, 1),
        (trace_of(Shape.BURSTS, 1), 660, 6),
        (spike_trace(1, quiet=10, spike=10, after=10), 9, 1),
        (spike_trace(1, quiet=10, spike=10, after=10), 10, 10),
        (spike_trace(1, quiet=10, spike=10, after=10), 20, 1),
    ],
)
def test_trace_has_its_shape(trace: Trace, second: float, per_second: float) -> None:
    """Rates at the turning points."""
    assert trace.per_second(second) == pytest.approx(per_second)


def test_trace_is_read_from_a_file(tmp_path: Path) -> None:
    """Each rate holds until the next line; the last line ends the trace."""
    path = tmp_path / "monday.csv"
    path.write_text("0,1\n60,2.5\n120,0\n")
    trace = read_trace(path)
    assert (trace.name, trace.seconds) == ("monday", 120)
    assert [trace.per_second(second) for second in (0, 59, 60, 119)] == [1, 1, 2.5, 2.5]


@pytest.mark.parametrize("text", ["", "0,1\n", "5,1\n9,1\n", "0,1\n0,2\n", "0,-1\n9,1\n", "second,rate\n"])
def test_trace_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A file without a course says what it lacks."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match="--trace"):
        read_trace(path)


@pytest.mark.parametrize("part", ["Demand", "Wait", "Workers", "two &lt;cores&gt;"])
def test_drawing_shows(part: str) -> None:
    """One picture with three plots and how it came about."""
    course = simulate(WORKERS, spike_trace(USUAL, quiet=60, spike=60, after=60), Site())
    svg = draw(course, slots=5, remark="two <cores>")
    assert part in svg
    assert svg.count("<svg ") == 4
