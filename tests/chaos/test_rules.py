"""The rules of chaos: which faults are drawn, what counts as a broken promise, when all is well again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from chaos.evidence import Findings, Note, Sample, read_ledger
from chaos.faults import Kind, schedule
from chaos.load import Wish
from chaos.picture import Bar, draw
from chaos.verdict import answers_per_second, broken_promises, recovery_seconds

MEMBERS = ["web-1", "worker-1", "worker-2"]
GOOD = Findings(
    wishes=[Wish("tok-1", "chat", 1.0, done_seconds=2.0)],
    answers={"tok-1": 1},
    gone=[],
    strays=[],
    repeated=0,
    attempts=[("run", 1, "interrupted", "a"), ("run", 2, "succeeded", "b")],
    runs=[("run", 2, "succeeded", "Please repeat tok-1")],
    said={"run": 1},
    task_wins={7: 1},
    slots=[(5_000, "succeeded", 1), (10_000, "succeeded", 1)],
    slot_calls={"a": 1, "b": 2},
    dead=[],
    notes=[Note("begin", "run", 1, 10, 1.0, "tok-1")],
    refusals=[],
)


def test_schedule_is_the_same_for_the_same_seed() -> None:
    """A course that failed can be played again; another seed gives another one."""
    assert schedule(7, 300, MEMBERS) == schedule(7, 300, MEMBERS)
    assert schedule(7, 300, MEMBERS) != schedule(8, 300, MEMBERS)


@pytest.mark.parametrize("seed", range(20))
def test_schedule_has_every_kind_and_no_fault_within_another_of_its_place(seed: int) -> None:
    """In ten minutes everything fails; one place has one fault at a time, and all end before the load."""
    faults = schedule(seed, 600, MEMBERS)
    assert {fault.kind for fault in faults} == set(Kind)
    assert max(fault.ends_seconds for fault in faults) <= 600
    for member in ("", *MEMBERS):
        own = [fault for fault in faults if fault.member == member]
        assert all(one.ends_seconds < other.at_seconds for one, other in pairwise(own))


def test_schedule_has_faults_that_overlap() -> None:
    """Two places may fail together."""
    faults = schedule(1, 600, MEMBERS)
    assert any(one.ends_seconds > other.at_seconds for one, other in pairwise(faults))


def test_good_findings_break_no_promise() -> None:
    """An attempt that was interrupted, and a call repeated under its key, are within the promises."""
    assert broken_promises(GOOD) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda good: replace(good, wishes=[Wish("tok-1", "chat", 1.0)]), "lost: tok-1"),
        (lambda good: replace(good, gone=["tok-1"]), "written over: tok-1"),
        (lambda good: replace(good, answers={"tok-1": 2}), "answered 2 times: tok-1"),
        (lambda good: replace(good, notes=[Note("overlap", "run", 2, 1, 1.0, "t")]), "two agents at once"),
        (
            lambda good: replace(good, attempts=[("run", 1, "succeeded", "a"), ("run", 2, "succeeded", "b")]),
            "attempts [1, 2] of 2 succeeded",
        ),
        (lambda good: replace(good, attempts=[("run", 1, "succeeded", "a")]), "attempts [1] of 2"),
        (lambda good: replace(good, said={"run": 2}), "left 2 answers"),
        (lambda good: replace(good, runs=[*good.runs, *good.runs]), "2 runs of one wish"),
        (lambda good: replace(good, task_wins={7: 2}), "task 7 was completed 2 times"),
        (lambda good: replace(good, slots=[*good.slots, (20_000, "succeeded", 1)]), "slots without a call"),
        (lambda good: replace(good, slots=[(5_000, "dead", 1)]), "slot 5000 is dead"),
        (lambda good: replace(good, slot_calls={"a": 1, "b": 1, "c": 1}), "saw 3 calls for 2 slots"),
        (lambda good: replace(good, dead=[("runs", "{}")]), "given up"),
        (lambda good: replace(good, refusals=["POST / 400"]), "refused"),
    ],
)
def test_each_broken_promise_is_named(spoil: Callable[[Findings], Findings], said: str) -> None:
    """The verdict says what did not hold, and of what."""
    assert any(said in sentence for sentence in broken_promises(spoil(GOOD)))


@pytest.mark.parametrize(
    ("done", "expected"),
    [
        pytest.param([(1.0, 2.0)], 0.0, id="nobody-waits"),
        pytest.param([(1.0, 14.0), (9.0, 11.0)], 4.0, id="one-waited-long"),
        pytest.param([(9.5, 12.0)], 0.0, id="nobody-has-waited-long-yet"),
        pytest.param([(1.0, None)], float("inf"), id="one-waits-for-ever"),
    ],
)
def test_all_is_well_once_nobody_has_waited_long(
    done: list[tuple[float, float | None]], expected: float
) -> None:
    """The time after a fault, lifted at 10 s, until all who had asked more than 3 s before are answered."""
    wishes = [Wish(f"tok-{at}", "chat", at, done_seconds=end) for at, end in done]
    assert recovery_seconds(wishes, 10.0) == expected


def test_rates_are_counted_between_looks() -> None:
    """Asked and answered a second, over intervals of at least the width."""
    looks = [Sample(0.0, 0, 0, 0), Sample(1.0, 2, 0, 1), Sample(2.0, 8, 4, None)]
    assert answers_per_second(looks, 2.0) == [(1.0, 4.0, 2.0)]


def test_half_a_line_of_a_ledger_is_not_read() -> None:
    """An agent that was killed in the middle of a note leaves the others readable."""
    line = '{"what": "begin", "run": "r", "epoch": 1, "pid": 2, "at": 3.0, "token": "t"}'
    assert read_ledger(f"{line}\n{line[:20]}") == [Note("begin", "r", 1, 2, 3.0, "t")]


def test_picture_shows_bars_and_breaks_lines_where_nothing_was_seen() -> None:
    """A fault is a bar with its story; a line ends where the database was away."""
    bar = Bar("worker-1", 1.0, 2.0, "kill -9", "died & came back")
    lines = {"depth": [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, 1.0), (4.0, 0.0)]}
    picture = draw("Chaos", ["worker-1"], [bar], {"open": lines})
    assert picture.count("<polyline") == 2
    assert "died &amp; came back" in picture
