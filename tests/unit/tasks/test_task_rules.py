"""The board's pure rules: what is begun, what follows from an end, what a field may say, when it is quiet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.hours import read_quiet_hours
from wireroom.errors import BadInput, SettingsError
from wireroom.jobs.port import RetryPolicy
from wireroom.runs.states import RunState
from wireroom.tasks import words
from wireroom.tasks.choice import AtWork, Bounds, Candidate, choose
from wireroom.tasks.dependencies import way_to
from wireroom.tasks.endings import Complete, Ending, GiveUp, SetAside, TryAgain, ending_of
from wireroom.tasks.notices import read_chat
from wireroom.tasks.requests import read_fields, read_id, read_status
from wireroom.tasks.states import TaskStatus, label_of, read_stamp, shown_stamp

_HOUR_MS = 3_600_000
_NOW_MS = 100 * _HOUR_MS
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("candidate", "begins"),
    [
        pytest.param(Candidate(1, 0, 0, None), True, id="ready"),
        pytest.param(Candidate(1, 0, 0, None, unmet=1), False, id="waits-for-another"),
        pytest.param(Candidate(1, 0, 0, None, is_at_work=True), False, id="its-run-still-ends"),
        pytest.param(Candidate(1, 0, 0, None, not_before=_NOW_MS + 1), False, id="not-before"),
        pytest.param(Candidate(1, 0, 0, None, not_before=_NOW_MS), True, id="at-its-time"),
        pytest.param(Candidate(1, 0, 0, None, next_try_at=_NOW_MS + 1), False, id="waits-after-a-failure"),
        pytest.param(
            Candidate(1, 0, 0, None, next_try_at=_NOW_MS + 1, is_dead=True),
            True,
            id="given-up-and-ready-again",
        ),
        pytest.param(Candidate(1, 0, 4, _NOW_MS - _HOUR_MS + 1), False, id="in-progress-elsewhere"),
        pytest.param(Candidate(1, 0, 4, _NOW_MS - _HOUR_MS), True, id="stuck-elsewhere"),
        pytest.param(Candidate(1, 0, 4, None), True, id="in-progress-since-nobody-knows-when"),
        pytest.param(Candidate(1, 0, 0, None, labels=("db",)), False, id="label-is-full"),
        pytest.param(Candidate(1, 0, 0, None, labels=("docs",)), True, id="label-without-a-limit"),
    ],
)
def test_task_begins_when_nothing_holds_it_back(candidate: Candidate, begins: bool) -> None:
    """One row for each thing that may hold a task back."""
    bounds = Bounds(at_once=5, stuck_after_ms=_HOUR_MS, by_label={"db": 1})
    choice = choose([candidate], bounds, AtWork(1, {"db": 1}), _NOW_MS)
    assert [one.id for one in choice.tasks] == [1] * begins


def test_choice_looks_again_when_the_first_may_begin() -> None:
    """The earliest of those that only wait for their time; never for one that waits for another task."""
    waiting = [
        Candidate(1, 0, 0, None, not_before=_NOW_MS + 50),
        Candidate(2, 0, 0, None, next_try_at=_NOW_MS + 20),
        Candidate(3, 0, 0, None, not_before=_NOW_MS + 5, unmet=1),
    ]
    choice = choose(waiting, Bounds(1, _HOUR_MS), AtWork(0), _NOW_MS)
    assert (choice.tasks, choice.look_again_at) == ((), _NOW_MS + 20)


@given(
    tasks=st.lists(
        st.builds(
            Candidate,
            id=st.integers(1, 50),
            order=st.just(0),
            status=st.just(0),
            touched_at=st.none(),
            unmet=st.integers(0, 1),
            labels=st.sampled_from([(), ("a",), ("b",), ("a", "b")]),
        ),
        max_size=30,
        unique_by=lambda task: task.id,
    ),
    at_once=st.integers(1, 8),
    limits=st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 3)),
    busy=st.integers(0, 8),
)
def test_choice_keeps_every_bound_and_wastes_no_place(
    tasks: list[Candidate], at_once: int, limits: Mapping[str, int], busy: int
) -> None:
    """Never more than may be at work; in order; and nothing is left out that could have begun."""
    taken = choose(tasks, Bounds(at_once, _HOUR_MS, limits), AtWork(busy), _NOW_MS).tasks
    assert len(taken) + busy <= max(at_once, busy)
    for label, most in limits.items():
        assert sum(label in task.labels for task in taken) <= most
    left = [task for task in tasks if task not in taken and not task.unmet]
    if len(taken) + busy < at_once:
        full = {label for label, most in limits.items() if sum(label in one.labels for one in taken) == most}
        assert all(full & set(task.labels) for task in left)
    assert [task for task in tasks if task in taken] == list(taken)


@pytest.mark.parametrize(
    ("state", "failures", "ending"),
    [
        (RunState.SUCCEEDED, 2, Complete()),
        (RunState.CANCELLED, 2, SetAside()),
        (RunState.FAILED, 0, TryAgain(_NOW + timedelta(seconds=10), 1)),
        (RunState.TIMED_OUT, 1, TryAgain(_NOW + timedelta(seconds=20), 2)),
        (RunState.EXHAUSTED, 2, GiveUp(3)),
        (RunState.INTERRUPTED, 9, GiveUp(10)),
    ],
)
def test_ending_follows_from_how_the_run_ended(state: RunState, failures: int, ending: Ending) -> None:
    """Only success is complete; waits double; the third failure is the last."""
    policy = RetryPolicy(max_attempts=3, base=timedelta(seconds=10), cap=timedelta(minutes=1))
    assert ending_of(state, failures, policy, _NOW, 0.0) == ending


@pytest.mark.parametrize(
    ("hours", "zone", "now", "over"),
    [
        ("22:00-07:00", "UTC", "2026-01-01T23:30", "2026-01-02T07:00"),
        ("22:00-07:00", "UTC", "2026-01-01T06:59", "2026-01-01T07:00"),
        ("22:00-07:00", "UTC", "2026-01-01T07:00", None),
        ("12:00-13:00", "UTC", "2026-01-01T12:00", "2026-01-01T13:00"),
        ("12:00-13:00", "UTC", "2026-01-01T11:59", None),
        ("22:00-07:00", "Europe/Warsaw", "2026-01-01T21:30", "2026-01-02T06:00"),
        ("22:00-07:00", "Europe/Warsaw", "2026-03-28T22:00", "2026-03-29T05:00"),
        ("22:00-07:00", "Europe/Warsaw", "2026-10-24T22:00", "2026-10-25T06:00"),
    ],
    ids=[
        "evening",
        "morning",
        "over",
        "begins",
        "before",
        "elsewhere",
        "short-night-in-spring",
        "long-in-autumn",
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(hours: str, zone: str, now: str, over: str | None) -> None:
    """Over midnight, in the zone, also in the nights in which the clock changes."""
    quiet = read_quiet_hours(hours, zone)
    assert quiet is not None
    found = quiet.over_at(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert found == (datetime.fromisoformat(over).replace(tzinfo=UTC) if over else None)


@pytest.mark.parametrize(
    ("hours", "zone"), [("22-7", "UTC"), ("25:00-07:00", "UTC"), ("1:00-1:00", "UTC"), ("1:00-2:00", "Moon")]
)
def test_quiet_hours_that_cannot_be_read_stop_the_start(hours: str, zone: str) -> None:
    """The variable is named."""
    with pytest.raises(SettingsError, match="WIREROOM_"):
        read_quiet_hours(hours, zone)


def test_chat_is_a_number_with_or_without_a_topic() -> None:
    """Empty is none; anything else, or a chat without a bot, is an error that names the variable."""
    assert read_chat("", 1) is None
    to = read_chat("-100123:17", 42)
    assert to is not None
    assert (to.chat_id, to.thread_id, to.lane) == (-100123, 17, "telegram:42:-100123:17")
    for text, bot_id in [("@me", 42), ("123", 0)]:
        with pytest.raises(SettingsError, match="WIREROOM_OPERATOR_CHAT"):
            read_chat(text, bot_id)


@pytest.mark.parametrize(
    ("stored", "ms"),
    [
        ("2026-01-01T00:00:00.123Z", 1_767_225_600_123),
        ("2026-01-01 00:00:00", 1_767_225_600_000),
        ("2026-01-01 02:00:00+02", 1_767_225_600_000),
        ("yesterday", None),
        ("9999-12-31T23:59:59-12:00", None),
        ("9999-12-31 23:59:59", None),
        ("0001-01-01T00:00:00+14:00", None),
        (5, None),
        (None, None),
    ],
)
def test_times_of_the_table_are_read_in_every_form(stored: object, ms: int | None) -> None:
    """ISO, SQLite's own, PostgreSQL's own; what is no time is none, and is shown as it is."""
    assert read_stamp(stored) == ms
    if ms is None:
        assert shown_stamp(stored) == (None if stored is None else str(stored))


@pytest.mark.parametrize("stored", [7, -1, "0", None, 2.5])
def test_status_of_another_program_has_a_label(stored: object) -> None:
    """A value that has no word is unknown."""
    assert label_of(stored) == "unknown"
    assert label_of(4) == "in_progress"


def test_fields_are_read_in_either_spelling() -> None:
    """As `notBefore` or `not_before`; only what was said is given."""
    said = read_fields(
        {"prompt": " x ", "notBefore": "2026-01-01T00:00:00Z", "labels": ["b", "a", "b"]}, new=True
    )
    assert said.given == {"prompt", "not_before", "labels"}
    assert (said.prompt, said.not_before, said.labels) == ("x", 1_767_225_600_000, ("a", "b"))
    assert read_fields({"status_label": "archived"}, new=False).status is TaskStatus.ARCHIVED
    assert read_fields({"repository": ""}, new=False).repository is None


@given(
    values=st.lists(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=6
        ),
        max_size=6,
    ),
    new=st.booleans(),
)
def test_odd_bodies_are_refused_and_never_fail(values: list[object], new: bool) -> None:
    """Whatever JSON may be: it is read, or refused as bad input."""
    for name in ("prompt", "order", "status", "labels", "needs", "not_before"):
        for value in values:
            with suppress(BadInput):
                assert read_fields({"prompt": "x", name: value}, new=new).given >= {name}


def test_words_of_a_command_line_are_read() -> None:
    """A number or a word is a status; an id is a positive number that the column takes."""
    assert (read_status("ready"), read_status("4"), read_status("in-progress")) == (0, 4, 4)
    assert (read_status("0001"), read_id("7"), read_id("000000000012")) == (1, 7, 12)
    for odd in ("0", "1abc", "", "²", "9" * 30):
        with pytest.raises(BadInput):
            read_id(odd)
    with pytest.raises(BadInput, match="There is no status"):
        read_status("9")
    with pytest.raises(BadInput, match="no UTF-8"):
        read_fields({"prompt": b"caf\xe9".decode(errors="surrogateescape")}, new=True)


def test_way_along_dependencies_is_found_once() -> None:
    """Also where ways meet again, and in a circle that another program has made."""
    needs = {1: [2, 3], 2: [4], 3: [4], 4: [2]}
    assert way_to(1, 4, lambda task: needs.get(task, ())) in ([1, 3, 4], [1, 2, 4])
    assert way_to(4, 1, lambda task: needs.get(task, ())) == []
    assert way_to(5, 5, lambda task: needs.get(task, ())) == [5]


def test_words_of_the_chat_show_prompts_literally() -> None:
    """Markdown in a prompt or an answer is text; each ending says what comes next."""
    assert words.begun(3, "fix *this*\nnow", 1) == "▶️ Task 3: fix \\*this\\* now"
    assert "attempt 2" in words.begun(3, "x", 2)
    again = words.ended(3, TryAgain(_NOW, 2), "no_luck", seconds=61, cost_usd=None)
    assert again == "⚠️ Task 3 failed, 2 times so far; again at 00:00 UTC: no\\_luck"
    assert "/task retry 3" in words.ended(3, GiveUp(1), None, seconds=1, cost_usd=None)
    assert (
        words.ended(3, Complete(), None, seconds=61, cost_usd=0.5)
        == "✅ Task 3 is complete (1 min 1 s, $0.50)"
    )
    assert "backlog" in words.ended(3, SetAside(), None, seconds=1, cost_usd=None)
