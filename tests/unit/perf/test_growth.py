"""What counts as a leak, and what as a busy hour."""

from __future__ import annotations

import pytest

from wireroom.perf.growth import Limit, floors, steady_growth

LIMIT = Limit(at_least=10, share=0.5)


def _looks(values: list[int]) -> list[dict[str, int]]:
    return [{"it": value} for value in values]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param(range(0, 160, 2), {"it": (0, 120)}, id="a line upwards"),
        pytest.param(
            [value + (50 if value % 7 == 0 else 0) for value in range(80)], {"it": (1, 60)}, id="busy"
        ),
        pytest.param([20] * 80, {}, id="level"),
        pytest.param([5, 90, 80, 5] * 20, {}, id="sways and comes back"),
        pytest.param([1] * 20 + [50] * 60, {}, id="one step, then level"),
        pytest.param([value // 20 for value in range(80)], {}, id="too little"),
        pytest.param([1000 + value // 2 for value in range(80)], {}, id="little beside what there was"),
        pytest.param([1, 20, 40, 60], {}, id="too few looks"),
    ],
)
def test_growth_is_told_when_every_quarter_is_higher(values: list[int], found: dict[str, object]) -> None:
    """Growth counts when each quarter's least value is above the last one's, by enough."""
    assert steady_growth(_looks(list(values)), LIMIT) == found


def test_growth_of_something_new_begins_at_nothing() -> None:
    """What was absent in the first looks counts as none there."""
    looks = [{"new": count} if count else {} for count in range(80)]

    assert steady_growth(looks, LIMIT) == {"new": (0, 60)}


def test_floors_are_the_least_of_each_quarter() -> None:
    """Each quarter's floor is its least value, whatever the length is divided into."""
    assert floors([3, 1, 9, 2, 8, 7, 6, 5, 4]) == [1, 2, 7, 4]
