"""The last day in bounded memory: rows, marks, and what two readings say of the time between."""

from __future__ import annotations

import math

import pytest

from wireroom.perf.history import WINDOWS, History, Mark, Rows, Window
from wireroom.perf.history_reading import COLUMNS, Depth, Reading, row_between
from wireroom.perf.timings import Timings

SHORT = Window("short", 60, 5, 10)
LONG = Window("long", 600, 60, 120)


def reading(at: float, lag_seconds: float = 0.0) -> Reading:
    """Return a reading of a service where nothing happens."""
    return Reading(at_ms=int(at * 1000), steady_seconds=at, lag_seconds=lag_seconds)


def mark(at: float, size: int = 10) -> Mark:
    """Return a mark of so many bytes."""
    return Mark(int(at * 1000), at, b"x" * size)


def history_until(seconds: int, *, mark_bytes: int = 10, most_mark_bytes: int = 10_000) -> History:
    """Return a history that was looked at every five seconds since 0."""
    history = History(
        Mark(-1000, -1.0, None), reading(0), windows=(SHORT, LONG), most_mark_bytes=most_mark_bytes
    )
    for at in range(5, seconds + 1, 5):
        if history.take(reading(at)):
            history.keep(mark(at, mark_bytes))
    return history


def columns_of(before: Reading, now: Reading, worst_lag: float = 0.0) -> dict[str, float]:
    """Return a row by the names of its columns."""
    return dict(zip(COLUMNS, row_between(before, now, worst_lag=worst_lag), strict=True))


def test_each_window_has_rows_at_its_own_pace_and_no_more_than_fill_it() -> None:
    """A short window has many rows, a long one few; the oldest go."""
    history = history_until(120)
    short, long = history.series("short"), history.series("long")
    assert list(short.times_ms) == [at * 1000 for at in range(65, 121, 5)]
    assert list(long.times_ms) == [60_000, 120_000]
    assert all(len(values) == len(short.times_ms) for values in short.columns.values())


@pytest.mark.parametrize(
    ("now", "begins"),
    [(30, -1.0), (61, -1.0), (70, 10.0), (79, 10.0), (80, 20.0), (200, 140.0)],
    ids=["young", "just filled", "first mark", "between two", "second mark", "long after"],
)
def test_window_is_counted_from_the_youngest_mark_that_is_old_enough(now: int, begins: float) -> None:
    """A window is never shorter than its name says, unless the process is; and longer by one mark at most."""
    assert history_until(now).beginning("short", now).steady_seconds == begins


def test_marks_stay_within_their_bytes_and_the_window_becomes_shorter() -> None:
    """Where marks are large the oldest go early; what is left is said to begin later."""
    history = history_until(600, mark_bytes=1000, most_mark_bytes=6000)
    rows = sum(Rows(window.rows).bytes_used for window in (SHORT, LONG))
    assert history.bytes_used - rows <= 6000
    assert history.beginning("long", 600).steady_seconds > 0


def test_rows_of_all_windows_take_less_than_a_hundred_kilobytes() -> None:
    """The room of rows is known before there is any."""
    history = History(Mark(0, 0.0, None), reading(0))
    assert history.bytes_used == sum(window.rows for window in WINDOWS) * 8 * (1 + len(COLUMNS)) < 100_000


def test_row_keeps_the_worst_lag_of_its_time() -> None:
    """A look in the middle of a row that saw a stall is not lost."""
    history = History(Mark(0, 0.0, None), reading(0), windows=(SHORT, LONG))
    for at in range(5, 65, 5):
        history.take(reading(at, lag_seconds=0.8 if at == 30 else 0.0))
    assert list(history.series("long").columns["loop_lag_ms"]) == [800.0]


def test_row_tells_rates_and_percentiles_of_its_own_time() -> None:
    """What was counted before the row does not show in it."""
    slow, both = Timings(), Timings()
    for _ in range(100):
        slow.add(2.0)
        both.add(2.0)
    for _ in range(10):
        both.add(0.001)
    before = Reading(at_ms=0, steady_seconds=0.0, answers=slow, errors=3, looks={"memory": (90, 10)})
    now = Reading(
        at_ms=10_000,
        steady_seconds=10.0,
        answers=both,
        errors=4,
        jobs=50,
        looks={"memory": (91, 13)},
        blocked_seconds=0.5,
        processor_seconds=2.0,
        depths={"runs": Depth(3, 1, 2, 0, 7.5), "chat": Depth(1, 0, 0, 0, 0.5)},
    )
    row = columns_of(before, now)
    assert row["requests_per_second"] == 1.0
    assert row["errors_per_second"] == 0.1
    assert row["p99_ms"] == pytest.approx(1.0, rel=0.2)
    assert (row["jobs_per_second"], row["waiting_jobs"], row["oldest_seconds"]) == (5.0, 4, 7.5)
    assert row["memory_hit_percent"] == 25.0
    assert (row["loop_blocked_percent"], row["processor_percent"]) == (5.0, 20.0)


def test_row_says_that_it_does_not_know() -> None:
    """Percentiles without requests, ratios without looks and a database that is away are no zeros."""
    row = columns_of(reading(0), reading(5))
    unknown = {name for name, value in row.items() if math.isnan(value)}
    hits = {"memory_hit_percent", "redis_hit_percent", "disk_hit_percent"}
    assert unknown == {"p50_ms", "p95_ms", "p99_ms", "waiting_jobs", "oldest_seconds"} | hits
