"""How many people act at which moment."""

from __future__ import annotations

import pytest

from wireroom.load.patterns import STEPS, USUAL, Extent, Pattern, people_at, step_at

HUNDRED = Extent(100.0, 100)


@pytest.mark.parametrize(
    ("pattern", "second", "people"),
    [
        pytest.param(Pattern.STEADY, 0.0, 10, id="steady begins with a ramp"),
        pytest.param(Pattern.STEADY, 10.0, 100, id="steady is whole after a tenth"),
        pytest.param(Pattern.STEADY, 99.9, 100, id="steady stays"),
        pytest.param(Pattern.SOAK, 50.0, 100, id="a soak is steady"),
        pytest.param(Pattern.SPIKE, 39.0, 10, id="before the spike"),
        pytest.param(Pattern.SPIKE, 40.0, 100, id="the spike comes at once"),
        pytest.param(Pattern.SPIKE, 60.0, 10, id="and goes at once"),
        pytest.param(Pattern.STRESS, 0.0, 10, id="first step"),
        pytest.param(Pattern.STRESS, 55.0, 60, id="a step in the middle"),
        pytest.param(Pattern.STRESS, 99.0, 100, id="last step"),
        pytest.param(Pattern.STRESS, 100.0, 0, id="over"),
        pytest.param(Pattern.STEADY, -1.0, 0, id="not begun"),
    ],
)
def test_people_at_follows_the_pattern(pattern: Pattern, second: float, people: int) -> None:
    """Each pattern has its people at each moment."""
    assert people_at(pattern, second, HUNDRED) == people


@pytest.mark.parametrize("pattern", list(Pattern))
def test_people_at_is_never_empty_nor_beyond_the_most(pattern: Pattern) -> None:
    """From the first moment to the last there is somebody, and never more than wanted."""
    extent = Extent(7.0, 3)

    counts = [people_at(pattern, number / 10, extent) for number in range(70)]

    assert min(counts) >= 1
    assert max(counts) == extent.people


def test_steps_are_ten_of_equal_length() -> None:
    """Moments fall into ten steps, and what comes late counts as the last."""
    assert [step_at(second, HUNDRED) for second in (0, 9.9, 10, 99.9, 130)] == [0, 0, 1, 9, 9]
    assert STEPS == 10


def test_every_pattern_has_a_usual_extent() -> None:
    """Each pattern can be measured without saying how long or with how many."""
    assert set(USUAL) == set(Pattern)
