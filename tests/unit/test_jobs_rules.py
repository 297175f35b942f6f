"""The pure rules of the job engines: retry, endings, and which jobs start."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wireroom.jobs.claims import Candidate, choose
from wireroom.jobs.endings import (
    Bury,
    Ending,
    GiveBack,
    Remove,
    StopReason,
    after_failure,
    after_outcome,
    after_stop,
)
from wireroom.jobs.port import Dead, Done, Job, Outcome, QueueSpec, RetryPolicy, RunAgainAt
from wireroom.jobs.retry import next_attempt

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_POLICY = RetryPolicy(max_attempts=4, base=timedelta(seconds=1), cap=timedelta(seconds=3), max_jitter=0.5)


@pytest.mark.parametrize(
    ("attempt", "jitter", "wait_seconds"),
    [
        pytest.param(1, 0.0, 1.0, id="first waits the base"),
        pytest.param(2, 0.0, 2.0, id="second waits twice as long"),
        pytest.param(3, 0.0, 3.0, id="third is capped"),
        pytest.param(3, 0.5, 4.5, id="jitter comes on top of the cap"),
        pytest.param(4, 0.0, None, id="last gives up"),
        pytest.param(5, 0.0, None, id="a start after a crash may be past the last"),
    ],
)
def test_next_attempt_doubles_up_to_the_cap(attempt: int, jitter: float, wait_seconds: float | None) -> None:
    """The wait doubles from the base to the cap, jitter is added, and the last attempt has no next."""
    expected = None if wait_seconds is None else _NOW + timedelta(seconds=wait_seconds)
    assert next_attempt(_POLICY, attempt, _NOW, jitter) == expected


def test_next_attempt_of_a_patient_policy_does_not_overflow() -> None:
    """Ten thousand attempts still wait for the cap."""
    policy = RetryPolicy(max_attempts=20_000)
    assert next_attempt(policy, 10_000, _NOW, 0.0) == _NOW + policy.cap


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (Done(), Remove()),
        (RunAgainAt(_NOW), GiveBack(_NOW, counted=False)),
        (Dead("poison"), Bury("poison")),
        (Dead("x" * 5_000), Bury("x" * 2_000)),
    ],
    ids=["done", "again", "dead", "long reason is cut"],
)
def test_outcome_decides_the_ending(outcome: Outcome, ending: Ending) -> None:
    """What a handler returns is what becomes of its job."""
    assert after_outcome(outcome) == ending


def _job(attempt: int) -> Job:
    return Job(1, "work", "note", "1", None, attempt, 7)


def test_failure_is_retried_with_its_error_and_then_buried() -> None:
    """An exception gives the job back with its text until the policy gives up; the draw scales the jitter."""
    spec = QueueSpec("work", 1, _POLICY)
    again = after_failure(spec, _job(1), ValueError("why"), _NOW, draw=0.5)
    assert again == GiveBack(_NOW + timedelta(seconds=1.25), counted=True, error="ValueError: why")
    assert after_failure(spec, _job(4), ValueError("why"), _NOW, draw=0.5) == Bury("ValueError: why")


def test_stop_removes_a_cancelled_job_and_gives_back_a_drained_one() -> None:
    """A cancelled job leaves the queue; one that the process's end interrupted waits, uncounted."""
    assert after_stop(StopReason.CANCEL, _NOW) == Remove()
    assert after_stop(StopReason.DRAIN, _NOW) == GiveBack(_NOW, counted=False)


def _candidate(row_id: int, key: str | None = None, queue: str = "a", run_at: int = 0) -> Candidate:
    return Candidate(0, row_id, queue, "note", str(row_id), key, run_at, 0)


@pytest.mark.parametrize(
    ("candidates", "room", "busy", "started", "behind", "delayed"),
    [
        pytest.param([_candidate(1), _candidate(2)], {"a": 1}, set(), [1], [], [], id="room"),
        pytest.param([_candidate(1, "k")], {"a": 1}, {"k"}, [], [1], [], id="busy key"),
        pytest.param([_candidate(1, "k"), _candidate(2, "k")], {"a": 2}, set(), [1], [2], [], id="one a key"),
        pytest.param([_candidate(1, run_at=11), _candidate(2)], {"a": 1}, set(), [2], [], [1], id="not due"),
        pytest.param([_candidate(1, run_at=10)], {"a": 1}, set(), [1], [], [], id="due to the millisecond"),
        pytest.param(
            [_candidate(1, "k", run_at=11), _candidate(2, "k")],
            {"a": 2},
            set(),
            [2],
            [],
            [1],
            id="a delayed job does not hold its key",
        ),
        pytest.param(
            [_candidate(1, "k"), _candidate(2, "k", "b")],
            {"a": 0, "b": 1},
            set(),
            [],
            [2],
            [],
            id="a job without room still goes before its key's next in another queue",
        ),
    ],
)
def test_choose_starts_in_order_within_room_and_keys(
    *,
    candidates: list[Candidate],
    room: dict[str, int],
    busy: set[str],
    started: list[int],
    behind: list[int],
    delayed: list[int],
) -> None:
    """Jobs start in order as far as slots, keys and times allow; the others are put where they belong."""
    choice = choose(candidates, room, busy, now_ms=10)
    assert [candidate.id for candidate in choice.start] == started
    assert (choice.behind, choice.delayed) == (behind, delayed)
