"""Figures of statements: added up over threads, by shape, in bounded memory, for any period."""

from __future__ import annotations

import pytest

from wireroom.perf import sql
from wireroom.perf.evidence import StatementFigures
from wireroom.perf.sql import Mark, Recorder, mark, statement_percentiles, statement_statistics
from wireroom.perf.sql_slow import look_closer

MS = 1_000_000


def _send(recorder: Recorder, statement: str, *took_ms: float) -> None:
    for ms in took_ms:
        tally = recorder.tally_of(statement)
        tally.add(round(ms * MS))
        if ms * MS > tally.alarm:
            look_closer(tally, round(ms * MS), lambda tell: tell(""))


def _of(shape: str, since: Mark | None = None) -> StatementFigures:
    [found] = [one for one in statement_statistics(since) if one.shape == shape]
    return found


def test_figures_of_a_shape_are_added_up_over_threads() -> None:
    """Two recorders that send statements of one shape give one line: calls, total, slowest, p95."""
    first, second = Recorder(), Recorder()
    _send(first, "SELECT a FROM added_up WHERE id = 1", *[1.0] * 19)
    _send(second, "SELECT a FROM added_up WHERE id = 2", 50.0)

    found = _of("SELECT a FROM added_up WHERE id = ?")
    assert (found.calls, found.slowest_seconds) == (20, 0.05)
    assert found.total_seconds == pytest.approx(0.069)
    assert found.p95_seconds == pytest.approx(0.001, rel=0.2)
    assert found.place.startswith("perf/test_sql_figures.py:")
    assert found.place.endswith(" _send")


def test_percentiles_of_a_shape_are_estimated() -> None:
    """Half of the calls were quick and the slowest was not: both can be asked for."""
    recorder = Recorder()
    _send(recorder, "SELECT percentile", *range(1, 101))

    p50, p99 = statement_percentiles((0.5, 0.99))["SELECT percentile"]
    assert p50 == pytest.approx(0.050, rel=0.2)
    assert p99 == pytest.approx(0.099, rel=0.2)


def test_period_has_only_what_was_sent_in_it() -> None:
    """Since a mark, what went before does not count, and shapes without calls are left out."""
    recorder = Recorder()
    _send(recorder, "SELECT before", 500.0)
    _send(recorder, "SELECT both", 500.0)
    since = mark()
    _send(recorder, "SELECT both", 2.0, 2.0)

    found = _of("SELECT both", since)
    assert found.calls == 2
    assert found.total_seconds == pytest.approx(0.004)
    assert found.slowest_seconds == pytest.approx(0.002, rel=0.25)
    assert "SELECT before" not in {one.shape for one in statement_statistics(since)}


def test_dearest_shape_comes_first() -> None:
    """Order is by time in all, not by the slowest call."""
    since = mark()
    recorder = Recorder()
    _send(recorder, "SELECT slow_once", 10.0)
    _send(recorder, "SELECT quick_often", *[1.0] * 30)

    assert [one.shape for one in statement_statistics(since)] == ["SELECT quick_often", "SELECT slow_once"]


def test_memory_for_shapes_and_texts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statements without end share one line once the memory is full, and no call is lost."""
    monkeypatch.setattr(sql, "_MOST_SHAPES", 3)
    monkeypatch.setattr(sql, "_MOST_TEXTS", 10)
    recorder = Recorder()
    for number in range(50):
        _send(recorder, f"SELECT column_{number}", 1.0)

    assert len(recorder.tallies()) <= 4
    assert len(recorder.by_text) <= 10
    assert sum(tally.calls for tally in recorder.tallies()) == 50


def test_texts_of_one_shape_share_a_tally() -> None:
    """A list of another length is another text and the same shape."""
    recorder = Recorder()

    assert recorder.tally_of("SELECT a WHERE b IN (?, ?)") is recorder.tally_of("SELECT a WHERE b IN (?)")


def test_figures_of_a_closed_connection_are_forgotten() -> None:
    """What nobody sends to any more is not kept for ever."""
    recorder = Recorder()
    _send(recorder, "SELECT forgotten", 1.0)
    del recorder

    assert "SELECT forgotten" not in {one.shape for one in statement_statistics()}
