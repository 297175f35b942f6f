"""Scopes: what one request or job sends, and what it repeats."""

from __future__ import annotations

import pytest

from wireroom.perf.evidence import RepeatedStatement
from wireroom.perf.sql import Recorder
from wireroom.perf.sql_scope import (
    STATEMENTS_OF_WORK,
    Scope,
    current_scope,
    forget_repeated,
    repeated_statements,
    tell_of_repetitions,
)

SECOND_NS = 1_000_000_000


@pytest.fixture
def recorder() -> Recorder:
    """Return a thread's recorder."""
    return Recorder()


def _send(scope: Scope, recorder: Recorder, statement: str, times: int, every_ns: int = 1000) -> None:
    for number in range(times):
        tally = recorder.tally_of(statement)
        tally.add(1_000_000)
        scope.note(tally, scope._began_ns + (number + 1) * every_ns)


def _found_in(
    recorder: Recorder, statement: str, times: int, every_ns: int = 1000
) -> list[RepeatedStatement]:
    found: list[RepeatedStatement] = []
    with tell_of_repetitions(found.append, at_least=5), Scope("request", "GET /things") as scope:
        _send(scope, recorder, statement, times, every_ns)
    return found


def test_repeated_read_is_found_with_its_place(recorder: Recorder) -> None:
    """The report says which request, how often, what, where in our code, and what it cost."""
    [found] = _found_in(recorder, "SELECT a FROM scopes WHERE id = 1", 12)

    assert (found.within, found.most_times, found.occurrences) == ("GET /things", 12, 1)
    assert found.shape == "SELECT a FROM scopes WHERE id = ?"
    assert found.place.endswith(" _send")
    assert found.total_seconds == pytest.approx(0.012)


def test_few_reads_are_no_repetition(recorder: Recorder) -> None:
    """Below the limit nothing is said."""
    assert _found_in(recorder, "SELECT few", 4) == []


def test_reads_over_a_long_time_are_no_repetition(recorder: Recorder) -> None:
    """A job that works for an hour may look at its row every second."""
    assert _found_in(recorder, "SELECT patient", 3600, every_ns=SECOND_NS) == []


def test_burst_late_in_a_long_job_is_found(recorder: Recorder) -> None:
    """The window is any second, not the first one."""
    found: list[RepeatedStatement] = []
    with tell_of_repetitions(found.append, at_least=5), Scope("job", "run") as scope:
        _send(scope, recorder, "SELECT late", 5, every_ns=SECOND_NS)
        tally = recorder.tally_of("SELECT late")
        for _ in range(5):
            scope.note(tally, scope._began_ns + 5 * SECOND_NS + 1)

    assert [one.within for one in found] == ["run"]


def test_repeated_writes_are_no_repetition(recorder: Recorder) -> None:
    """Only reads are judged: an event log is written line by line on purpose."""
    assert _found_in(recorder, "INSERT INTO t VALUES (1)", 50) == []


def test_reading_page_after_page_is_no_repetition(recorder: Recorder) -> None:
    """A long list that is streamed in pieces asks the same thing often, and gets many rows each time."""
    recorder.tally_of("SELECT pages").rows = 100_000

    assert _found_in(recorder, "SELECT pages", 50) == []


def test_repetitions_of_many_requests_are_one_line(recorder: Recorder) -> None:
    """The list has each route and shape once, with how many requests repeated it and the worst."""
    forget_repeated()
    _found_in(recorder, "SELECT again", 6)
    _found_in(recorder, "SELECT again", 9)

    [found] = [one for one in repeated_statements() if one.shape == "SELECT again"]
    assert (found.most_times, found.occurrences) == (9, 2)
    forget_repeated()
    assert repeated_statements() == ()


def test_scopes_are_the_tasks_own() -> None:
    """Outside there is none, inside it is the innermost."""
    assert current_scope() is None
    with Scope("job", "outer") as outer:
        with Scope("request", "inner") as inner:
            assert current_scope() is inner
        assert current_scope() is outer
    assert current_scope() is None


def test_number_of_statements_is_counted_by_kind_of_work(recorder: Recorder) -> None:
    """The metric counts requests and jobs by how many statements they sent; more than 256 is one class."""
    of_three, of_many = STATEMENTS_OF_WORK["job"][3], STATEMENTS_OF_WORK["job"][-1]
    with Scope("job", "three") as scope:
        _send(scope, recorder, "UPDATE t SET a = 1", 3)
    with Scope("job", "many") as scope:
        _send(scope, recorder, "UPDATE t SET a = 1", 1000)

    assert scope.statements == 1000
    assert STATEMENTS_OF_WORK["job"][3] == of_three + 1
    assert STATEMENTS_OF_WORK["job"][-1] == of_many + 1
