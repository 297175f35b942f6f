"""The knee of made-up curves."""

from __future__ import annotations

import pytest

from wireroom.load.knee import Step, Targets, broken_targets, find_knee


def _curve(
    p99s: list[float], *, failed: list[float] | None = None, answers: list[float] | None = None
) -> list[Step]:
    count = len(p99s)
    failures, waits = failed or [0.0] * count, answers or [100.0] * count
    return [
        Step((number + 1) * 10, (number + 1) * 50.0, p99s[number], failures[number], waits[number])
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("curve", "people", "broken"),
    [
        pytest.param(_curve([5, 6, 9, 30, 150, 900, 4000]), 50, 60, id="a hockey stick"),
        pytest.param(_curve([5, 6, 7, 8]), 40, None, id="flat: the knee is beyond"),
        pytest.param(_curve([900, 1000, 2000]), None, 10, id="broken from the first"),
        pytest.param(_curve([5, 6, 7], failed=[0, 0, 0.2]), 20, 30, id="failures grow"),
        pytest.param(_curve([5, 6, 7], failed=[0.01, 0.01, 0.012]), 30, None, id="failures that were there"),
        pytest.param(_curve([5, 6, 7], answers=[400, 900, 60_000]), 20, 30, id="answers pile up"),
        pytest.param(_curve([5, 300, 6, 7, 900]), 40, 50, id="one bad step between good ones is noise"),
        pytest.param(_curve([5, 300, 6, 900, 950]), 10, 20, id="one good step between bad ones is not"),
        pytest.param(_curve([5, 6, 7, 300, 8]), 30, 40, id="nothing follows that could forgive"),
        pytest.param([], None, None, id="nothing was tried"),
    ],
)
def test_find_knee_of_a_curve(curve: list[Step], people: int | None, broken: int | None) -> None:
    """The knee is the highest load that holds before one that does not."""
    knee = find_knee(curve, Targets())

    assert (knee.highest and knee.highest.people) == people
    assert (knee.broken and knee.broken.people) == broken
    assert bool(knee.reasons) == (broken is not None)


def test_find_knee_follows_the_target() -> None:
    """A stricter target moves the knee."""
    curve = _curve([5, 20, 80, 160])

    knees = [find_knee(curve, Targets(request_ms=limit)).highest for limit in (10, 50, 100, 200)]

    assert [knee.people for knee in knees if knee] == [10, 20, 30, 40]


def test_broken_targets_says_everything_that_is_wrong() -> None:
    """Each target that is missed is named with its figures."""
    step = Step(10, 1.0, 300.0, 0.5, 9_000.0, unanswered=3)

    assert broken_targets(step, Targets(), 0.0) == (
        "p99 of requests 300 ms, over 200 ms",
        "p99 of answers 9,000 ms, over 5,000 ms",
        "3 messages without an answer",
        "50.0% of requests failed, 0.0% at first",
    )


def test_broken_targets_holds_without_figures() -> None:
    """A step without requests or answers breaks nothing."""
    assert broken_targets(Step(10, 0.0, None, 0.0, None), Targets(), 0.0) == ()
