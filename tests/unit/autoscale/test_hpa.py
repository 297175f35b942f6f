"""The autoscaler's decision, each row by the sentence of its documentation that it follows.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireroom.autoscale.hpa import Decision, Noted, Reason, State, decide, wanted_replicas
from wireroom.autoscale.proposals import Measured, Pod, Total
from wireroom.autoscale.spec import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    Metric,
    MetricKind,
    Policy,
    PolicyKind,
    Rules,
    Select,
    Spec,
    TargetKind,
)

DEPTH = Metric(MetricKind.EXTERNAL, "depth", TargetKind.AVERAGE_VALUE, 10)
AGE = Metric(MetricKind.EXTERNAL, "age", TargetKind.VALUE, 30)
CPU = Metric(MetricKind.RESOURCE, "cpu", TargetKind.UTILIZATION, 50)
OWN = Metric(MetricKind.PODS, "own", TargetKind.AVERAGE_VALUE, 10)
SPEC = Spec(2, 20, (DEPTH,))


def _pods(*usages: float | None, starting: int = 0) -> list[Pod]:
    return [*(Pod(usage) for usage in usages), *(Pod(0.9, ready=False) for _ in range(starting))]


@pytest.mark.parametrize(
    ("metric", "current", "measured", "wanted"),
    [
        pytest.param(AGE, 4, Total(60, 4), 8, id="desired = ceil(current x value / target)"),
        pytest.param(AGE, 4, Total(15, 4), 2, id="half the value halves the replicas"),
        pytest.param(AGE, 4, Total(40, 4), 6, id="the result is rounded up"),
        pytest.param(AGE, 4, Total(32.9, 4), 4, id="nothing within the tolerance of 0.1, above"),
        pytest.param(AGE, 4, Total(27.1, 4), 4, id="nothing within the tolerance of 0.1, below"),
        pytest.param(AGE, 4, Total(0, 4), 0, id="a figure of 0 asks for none"),
        pytest.param(AGE, 8, Total(60, 4), 8, id="replicas that are not ready are not multiplied again"),
        pytest.param(AGE, 0, Total(61, 0), 3, id="from 0 replicas a value scales by its ratio"),
        pytest.param(DEPTH, 4, Total(80, 4), 8, id="an average value divides by the replicas"),
        pytest.param(DEPTH, 4, Total(43, 4), 4, id="an average within the tolerance does nothing"),
        pytest.param(DEPTH, 4, Total(45, 2), 5, id="an average does not look at who is ready"),
        pytest.param(DEPTH, 0, Total(25, 0), 3, id="from 0 replicas an average scales to its need"),
        pytest.param(DEPTH, 4, Total(None, 4), None, id="a figure that is missing says nothing"),
        pytest.param(CPU, 2, _pods(1.0, 1.0), 4, id="utilization is a percentage of the request"),
        pytest.param(CPU, 2, _pods(0.52, 0.52), 2, id="utilization within the tolerance does nothing"),
        pytest.param(CPU, 3, _pods(1.0, 1.0, None), 4, id="missing pods count 0 % on the way up"),
        pytest.param(CPU, 4, _pods(0.0, 0.0, 0.0, None), 2, id="missing pods count 100 % on the way down"),
        pytest.param(
            CPU, 4, _pods(0.3, 0.3, 0.3, None), 4, id="missing pods do not turn the direction around"
        ),
        pytest.param(CPU, 4, _pods(0.7, 0.7, starting=2), 4, id="pods not yet ready dampen a scale up"),
        pytest.param(CPU, 4, _pods(2.0, 2.0, starting=2), 8, id="pods not yet ready count 0 % on the way up"),
        pytest.param(
            CPU, 4, _pods(0.1, 0.1, starting=2), 1, id="pods not yet ready are set aside on the way down"
        ),
        pytest.param(CPU, 4, _pods(starting=4), None, id="without any ready pod nothing is known"),
        pytest.param(OWN, 3, _pods(20, 20, 20), 6, id="a pod's own figure is averaged"),
        pytest.param(OWN, 4, _pods(2, 2, 2, None), 2, id="a missing own figure counts as the target"),
        pytest.param(OWN, 3, _pods(10, 10, None), 3, id="at the target itself nothing is weighed"),
    ],
)
def test_metric_asks_for(metric: Metric, current: int, measured: Measured, wanted: int | None) -> None:
    """What one metric asks for is as documented in "Algorithm details"."""
    assert wanted_replicas(replace(SPEC, metrics=(metric,)), current, [measured]) == wanted


@pytest.mark.parametrize(
    ("measured", "wanted"),
    [
        pytest.param([Total(60, 4), Total(60, 4)], 8, id="the metric that asks for the most holds"),
        pytest.param([Total(60, 4), Total(None, 4)], 6, id="a missing metric does not hinder a scale up"),
        pytest.param([Total(10, 4), Total(None, 4)], None, id="a missing metric prevents a scale down"),
        pytest.param([Total(None, 4), Total(None, 4)], None, id="all missing: nothing is done"),
    ],
)
def test_several_metrics_ask_for(measured: Sequence[Measured], wanted: int | None) -> None:
    """Several metrics are weighed as documented in "Scaling on multiple metrics"."""
    assert wanted_replicas(replace(SPEC, metrics=(DEPTH, AGE)), 4, measured) == wanted


def _decide(spec: Spec, current: int, depth: float | None, state: State, now: float = 1000.0) -> Decision:
    return decide(spec, current, [Total(depth, current)], state, now)[0]


STARTED = State((Noted(0, 1),))
"""Of a controller that has long been running: nothing in it counts any more."""


@pytest.mark.parametrize(
    ("current", "depth", "expected"),
    [
        pytest.param(25, 10, Decision(20, 20, Reason.BOUNDS), id="more than the most"),
        pytest.param(1, 10, Decision(2, 2, Reason.BOUNDS), id="fewer than the least"),
        pytest.param(0, 500, Decision(0, 0, Reason.PAUSED), id="0 replicas switch scaling off"),
        pytest.param(4, None, Decision(4, 4, Reason.UNKNOWN), id="unknown metrics change nothing"),
        pytest.param(4, 60, Decision(6, 6, Reason.METRICS), id="as asked"),
        pytest.param(18, 900, Decision(20, 90, Reason.POLICY), id="not beyond the most"),
        pytest.param(4, 0, Decision(2, 0, Reason.POLICY), id="not below the least"),
    ],
)
def test_bounds_hold(current: int, depth: float | None, expected: Decision) -> None:
    """Replicas stay within minReplicas and maxReplicas, whatever the metrics ask."""
    assert _decide(SPEC, current, depth, STARTED) == expected


@pytest.mark.parametrize(
    ("rules", "current", "added", "replicas"),
    [
        pytest.param(DEFAULT_UP, 2, (), 6, id="default: the more of 4 pods and 100 % in 15 s"),
        pytest.param(DEFAULT_UP, 8, (), 16, id="default: 100 % of 8"),
        pytest.param(DEFAULT_UP, 6, (Noted(990, 4),), 6, id="what was added within the period counts"),
        pytest.param(DEFAULT_UP, 6, (Noted(985, 4),), 12, id="a period is over after its length"),
        pytest.param(replace(DEFAULT_UP, select=Select.MIN), 8, (), 12, id="Min: the policy of least change"),
        pytest.param(replace(DEFAULT_UP, select=Select.DISABLED), 8, (), 8, id="Disabled: no change"),
        pytest.param(Rules(0, (Policy(PolicyKind.PERCENT, 10, 60),)), 4, (), 5, id="percents are rounded up"),
    ],
)
def test_policies_limit_the_way_up(
    rules: Rules, current: int, added: tuple[Noted, ...], replicas: int
) -> None:
    """Policies of scaleUp hold as documented in "Scaling policies"."""
    state = State((Noted(0, 1),), added=added)
    assert _decide(replace(SPEC, up=rules), current, 900, state).replicas == replicas


@pytest.mark.parametrize(
    ("rules", "removed", "replicas"),
    [
        pytest.param(DEFAULT_DOWN, (), 2, id="default: all that may go"),
        pytest.param(Rules(300, (Policy(PolicyKind.PODS, 1, 60),)), (), 9, id="1 pod a minute"),
        pytest.param(
            Rules(300, (Policy(PolicyKind.PODS, 1, 60),)), (Noted(950, 1),), 10, id="the minute is not over"
        ),
        pytest.param(
            Rules(300, (Policy(PolicyKind.PODS, 4, 60), Policy(PolicyKind.PERCENT, 10, 60))),
            (),
            6,
            id="Max: the most change, here 4 pods",
        ),
        pytest.param(
            Rules(300, (Policy(PolicyKind.PODS, 4, 60), Policy(PolicyKind.PERCENT, 10, 60)), Select.MIN),
            (),
            9,
            id="Min: the least change, here 10 %",
        ),
        pytest.param(replace(DEFAULT_DOWN, select=Select.DISABLED), (), 10, id="Disabled: never"),
        pytest.param(Rules(300, (Policy(PolicyKind.PERCENT, 15, 60),)), (), 8, id="the rest is rounded down"),
    ],
)
def test_policies_limit_the_way_down(rules: Rules, removed: tuple[Noted, ...], replicas: int) -> None:
    """Policies of scaleDown hold as documented in "Scaling policies"."""
    state = State((Noted(0, 1),), removed=removed)
    assert _decide(replace(SPEC, down=rules), 10, 0, state).replicas == replicas


@pytest.mark.parametrize(
    ("recommended", "depth", "replicas"),
    [
        pytest.param((Noted(900, 8),), 20, 8, id="the highest of the window is the floor"),
        pytest.param((Noted(900, 8), Noted(950, 6)), 20, 8, id="the highest, not the last"),
        pytest.param((Noted(900, 15),), 20, 10, id="a window does not scale out"),
        pytest.param((Noted(699, 15), Noted(900, 3)), 20, 3, id="what is older does not count"),
    ],
)
def test_window_holds_a_scale_in(recommended: tuple[Noted, ...], depth: float, replicas: int) -> None:
    """The stabilisation window of scaleDown holds as documented in "Stabilization window"."""
    assert _decide(SPEC, 10, depth, State(recommended)).replicas == replicas


def test_window_of_scale_up_takes_the_lowest() -> None:
    """With a window of 60 s a spike of one reading does not scale out."""
    spec = replace(SPEC, up=replace(DEFAULT_UP, window_seconds=60))
    assert _decide(spec, 4, 80, State((Noted(990, 4),))) == Decision(4, 8, Reason.WINDOW)
    assert _decide(spec, 4, 80, State((Noted(950, 6), Noted(990, 7)))).replicas == 6


def test_controller_that_begins_keeps_what_it_finds_for_a_window() -> None:
    """A restarted controller has no past, so the replicas that it finds count as its first recommendation."""
    decision, state = decide(SPEC, 10, [Total(0, 10)], State(), 1000.0)
    assert decision == Decision(10, 0, Reason.WINDOW)
    later, _ = decide(SPEC, 10, [Total(0, 10)], state, 1301.0)
    assert later.replicas == 2


# Properties


_rules = st.builds(
    Rules,
    st.sampled_from([0, 60, 300]),
    st.lists(
        st.builds(Policy, st.sampled_from(PolicyKind), st.integers(1, 150), st.sampled_from([15, 60])),
        min_size=1,
        max_size=3,
    ).map(tuple),
    st.sampled_from(Select),
)
_specs = st.builds(
    lambda least, more, up, down: Spec(least, least + more, (DEPTH, AGE), up, down),
    st.integers(1, 5),
    st.integers(0, 30),
    _rules,
    _rules,
)
_figure = st.none() | st.floats(0, 1000)
_course = st.lists(st.tuples(_figure, _figure), min_size=1, max_size=40)


@settings(max_examples=40)
@given(_specs, st.integers(1, 50), _course)
def test_replicas_are_never_out_of_bounds(
    spec: Spec, current: int, course: list[tuple[float, float]]
) -> None:
    """Whatever is measured, each decision lies between the least and the most."""
    state = State()
    for number, (depth, age) in enumerate(course):
        measured = [Total(depth, current), Total(age, current)]
        decision, state = decide(spec, current, measured, state, 15.0 * number)
        current = decision.replicas
        assert spec.min_replicas <= current <= spec.max_replicas


@settings(max_examples=40)
@given(_specs, _course)
def test_nothing_is_scaled_in_below_what_the_window_recommended(
    spec: Spec, course: list[tuple[float, float]]
) -> None:
    """A scale-in never goes below the highest recommendation of the window."""
    current, state, past = spec.min_replicas, State(), []
    for number, (depth, age) in enumerate(course):
        now = 15.0 * number
        decision, state = decide(spec, current, [Total(depth, current), Total(age, current)], state, now)
        past.append((now, decision))
        if decision.replicas < current:
            within = [one.wanted for at, one in past if at > now - spec.down.window_seconds or at == now]
            known = [wanted for wanted in within if decision.reason is not Reason.UNKNOWN]
            assert decision.replicas >= min(max(known), current)
        current = decision.replicas


@settings(max_examples=40)
@given(_specs, st.integers(1, 20), st.floats(0, 500), st.floats(0, 500))
def test_more_demand_never_means_fewer_replicas(spec: Spec, current: int, one: float, other: float) -> None:
    """With the same past and all replicas ready, a higher figure asks for as many or more."""
    low, high = sorted((one, other))
    decisions = [
        decide(spec, current, [Total(depth, current), Total(0, current)], STARTED, 1000.0)[0].replicas
        for depth in (low, high)
    ]
    assert decisions[0] <= decisions[1]
