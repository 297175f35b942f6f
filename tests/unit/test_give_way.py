"""A queue that gives way: held while something presses, one gulp at least each interval, free again after."""

from __future__ import annotations

from datetime import timedelta

from wireroom.jobs.give_way import GiveWay
from wireroom.testing.clock import ManualClock


def _give_way(clock: ManualClock) -> GiveWay:
    return GiveWay(
        interval=timedelta(milliseconds=80), lasts=timedelta(milliseconds=20), monotonic=clock.monotonic
    )


def test_nothing_is_held_while_nothing_presses() -> None:
    """A calm queue claims at once, as often as it likes."""
    give_way = _give_way(ManualClock())
    give_way.note_claim()
    assert give_way.seconds_held() == 0.0


def test_pressed_queue_waits_until_the_pressure_or_the_interval_is_over() -> None:
    """One word of pressure holds a queue that has just had its gulp, no longer than it lasts."""
    clock = ManualClock()
    give_way = _give_way(clock)
    give_way.note_claim()
    give_way.press()
    assert 0.019 < give_way.seconds_held() <= 0.020
    clock.advance(timedelta(milliseconds=21))
    assert give_way.seconds_held() == 0.0


def test_queue_gets_its_gulp_each_interval_however_long_it_is_pressed() -> None:
    """Pressure that never ends does not starve the queue: in one second it claims a dozen times."""
    clock = ManualClock()
    give_way = _give_way(clock)
    gulps = 0
    for _ in range(1000):
        clock.advance(timedelta(milliseconds=1))
        give_way.press()
        if not give_way.seconds_held():
            gulps += 1
            give_way.note_claim()
    assert 11 <= gulps <= 13
