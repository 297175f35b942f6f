"""Statements that take too long: logged with their plan, at most once a minute a shape, and kept for reports.

Never with their values. The plan is looked up by whoever sent the statement, since only the store can.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from wireroom.perf.metrics import SLOW_STATEMENTS
from wireroom.perf.places import place_on_stack
from wireroom.perf.sql import Tally, keep_plan
from wireroom.perf.sql_shapes import scanned_tables

_log = structlog.get_logger(__name__)

DEFAULT_SLOW_MS = 100
_NS_OF_MS = 1_000_000
_PAUSE_SECONDS = 60.0
_MOST_KEPT = 100
_MOST_SHAPES = 1000


@dataclass(frozen=True, slots=True)
class SlowStatement:
    """One call that took longer than the limit and was logged."""

    shape: str
    seconds: float
    place: str
    """Where in our code it was asked for."""
    plan: str
    """The database's plan; empty when it has none, or could not be asked."""


@dataclass(slots=True)
class _Limit:
    ns: int = DEFAULT_SLOW_MS * _NS_OF_MS


_limit = _Limit()
_logged_at: dict[str, float] = {}
"""When a slow call of a shape was last logged, by whichever thread, `time.monotonic`."""
_kept: deque[SlowStatement] = deque(maxlen=_MOST_KEPT)
Look = Callable[[Callable[[str], None]], None]
"""Looks the plan up and calls back with it, at once or later."""


def set_slow_limit(milliseconds: float) -> None:
    """Have what takes longer be slow; 0: nothing is. What runs already keeps its limit until it is slower."""
    _limit.ns = round(milliseconds * _NS_OF_MS)


def look_closer(tally: Tally, took_ns: int, look: Look) -> None:
    """Note the slowest call of a tally so far, and log it when it is slow.

    Called when a call took longer than `tally.alarm`, which this sets: the rest need not be looked at.
    """
    tally.slowest = max(tally.slowest, took_ns)
    slow_ns = _limit.ns
    if 0 < slow_ns < took_ns:
        SLOW_STATEMENTS.inc()
        _log_once_a_minute(tally, took_ns, look)
    tally.alarm = min(tally.slowest, slow_ns) if slow_ns > 0 else tally.slowest


def slow_statements() -> tuple[SlowStatement, ...]:
    """Return the last hundred that were logged, the newest last."""
    return tuple(_kept)


def forget_slow() -> None:
    """Forget what was logged, so that a period begins."""
    _kept.clear()
    _logged_at.clear()


def _log_once_a_minute(tally: Tally, took_ns: int, look: Look) -> None:
    now, shape = time.monotonic(), tally.shape
    if now - _logged_at.get(shape, -_PAUSE_SECONDS) < _PAUSE_SECONDS:
        return
    if len(_logged_at) >= _MOST_SHAPES:
        _logged_at.clear()
    _logged_at[shape] = now
    place = place_on_stack()

    def tell(plan: str) -> None:
        if plan:
            keep_plan(shape, plan)
        _kept.append(SlowStatement(shape, took_ns / 1e9, place, plan))
        _log.warning(
            "slow_statement",
            shape=shape,
            duration_ms=round(took_ns / _NS_OF_MS, 1),
            place=place,
            scans=list(scanned_tables(plan)),
            plan=plan,
        )

    look(tell)
