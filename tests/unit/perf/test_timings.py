"""Counting durations in few buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.perf.timings import Timings


def _of(*seconds: float) -> Timings:
    timings = Timings()
    for one in seconds:
        timings.add(one)
    return timings


@given(st.lists(st.floats(min_value=2e-6, max_value=100), min_size=1, max_size=200))
def test_timings_give_percentiles_within_a_bucket(seconds: list[float]) -> None:
    """A percentile is at least the true one and at most a fifth above it."""
    timings = _of(*seconds)
    for share in (0.5, 0.95, 1.0):
        true = sorted(seconds)[max(0, -int(-len(seconds) * share // 1) - 1)]
        assert true * 0.999 <= timings.percentile(share) <= true * 1.2


def test_timings_of_nothing_are_zero() -> None:
    """Without a call every percentile is 0."""
    assert Timings().percentile(0.99) == 0.0


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 10_000.0])
def test_timings_take_what_is_beyond_their_buckets(seconds: float) -> None:
    """Nothing at all, and hours, are counted."""
    assert _of(seconds).calls == 1


def test_timings_of_a_period_leave_out_what_was_before() -> None:
    """The difference to an earlier copy has the later calls alone, their slowest included."""
    timings = _of(9.0)
    before = timings.copy()
    timings.add(0.010)
    timings.add(0.020)

    period = timings.since(before)

    assert period.calls == 2
    assert period.total_seconds == pytest.approx(0.03)
    assert 0.020 <= period.slowest_seconds < 0.025
    assert timings.since(timings.copy()).slowest_seconds == 0.0


def test_timings_count_up_to_bounds() -> None:
    """The counts for a histogram grow with its bounds and end with every call."""
    counted = list(_of(0.0001, 0.001, 0.1).up_to(range(8, 25)))

    assert [count for _, count in counted] == sorted(count for _, count in counted)
    assert counted[0] == (0.000256, 1)
    assert counted[-1][1] == 3
