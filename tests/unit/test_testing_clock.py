"""The hand-moved clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.clock import Clock, from_ms, to_ms
from wireroom.testing.clock import ManualClock


def test_manual_clock_moves_only_when_told() -> None:
    """Both readings move together by the same step, given as a duration or in seconds."""
    clock: Clock = ManualClock(datetime(2026, 3, 29, 2, tzinfo=timezone(timedelta(hours=2))))
    assert isinstance(clock, ManualClock)
    assert clock.now() == datetime(2026, 3, 29, 0, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    clock.advance(1.5)
    clock.advance(timedelta(minutes=1))
    assert clock.now() == datetime(2026, 3, 29, 0, 1, 1, 500_000, tzinfo=UTC)
    assert clock.monotonic() == 61.5


def test_manual_clock_refuses_to_run_backwards() -> None:
    """A negative step is a mistake of the test."""
    clock = ManualClock()
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    assert clock.monotonic() == 0.0


@given(st.integers(0, 4_000_000_000_000))
def test_stored_time_comes_back_to_the_millisecond(value: int) -> None:
    """A time that is read from the database and stored again is the same."""
    assert to_ms(from_ms(value)) == value
