"""When an attempt must end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wireroom.runs.limits import Ending, Limits, Wait, next_step

LIMITS = Limits(hard=timedelta(seconds=100), idle=timedelta(seconds=10))


@pytest.mark.parametrize(
    ("now", "last_output", "exited", "cancelled", "step"),
    [
        (0.0, None, False, False, Wait(10.0)),
        (4.0, None, False, False, Wait(6.0)),
        (4.0, 3.0, False, False, Wait(9.0)),
        (10.0, None, False, False, Ending.IDLE_TIMEOUT),
        (50.0, 39.0, False, False, Ending.IDLE_TIMEOUT),
        (95.0, 94.0, False, False, Wait(5.0)),
        (100.0, 99.0, False, False, Ending.HARD_TIMEOUT),
        (100.0, None, False, False, Ending.HARD_TIMEOUT),
        (100.0, None, False, True, Ending.CANCELLED),
        (100.0, None, True, True, Ending.EXITED),
    ],
    ids=[
        "start",
        "silent",
        "speaking",
        "silent-from-start",
        "fell-silent",
        "near-the-end",
        "over-time",
        "both-timeouts",
        "stop-wins-over-time",
        "exit-wins-over-all",
    ],
)
def test_next_step_ends_or_waits(
    now: float, last_output: float | None, exited: bool, cancelled: bool, step: Ending | Wait
) -> None:
    """An exit wins, then a stop, then the hard timeout, then the idle one; else the shortest wait."""
    decided = next_step(
        LIMITS, now=now, started=0.0, last_output=last_output, exited=exited, cancelled=cancelled
    )
    assert decided == step
