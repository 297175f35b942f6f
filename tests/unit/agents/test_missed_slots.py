"""What becomes of slots that have come: the policies for missed ones, and the rules on overlap."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wireroom.agents.missed import (
    MOST_WAITING,
    ON_TIME_MS,
    Decision,
    Overlap,
    Run,
    Skip,
    decide,
    read_policy,
)
from wireroom.errors import BadInput

MINUTE = 60_000
NOW = 100 * MINUTE


def brief(decisions: list[Decision]) -> list[str]:
    """Return the decisions as `run 99`, `catch 98`, `skip 90-97` with slots in minutes."""
    return [
        f"{'catch' if one.catch_up else 'run'} {one.slot // MINUTE}"
        if isinstance(one, Run)
        else f"skip {one.first // MINUTE}-{one.last // MINUTE}"
        for one in decisions
    ]


def minutes(first: int, last: int) -> list[int]:
    """Return one slot a minute."""
    return [minute * MINUTE for minute in range(first, last + 1)]


@pytest.mark.parametrize(
    ("policy", "slots", "expected"),
    [
        pytest.param("skip", minutes(100, 100), ["run 100"], id="on-time"),
        pytest.param("skip", minutes(90, 95), ["skip 90-95"], id="skip"),
        pytest.param("skip", minutes(90, 100), ["skip 90-99", "run 100"], id="skip-then-on-time"),
        pytest.param("once", minutes(90, 95), ["skip 90-94", "catch 95"], id="once"),
        pytest.param("once", minutes(90, 100), ["skip 90-99", "run 100"], id="once-is-the-one-on-time"),
        pytest.param("late:5m", minutes(90, 95), ["skip 90-94", "catch 95"], id="late-enough"),
        pytest.param("late:299s", minutes(90, 95), ["skip 90-95"], id="too-late"),
        pytest.param("late:5m", minutes(90, 100), ["skip 90-99", "run 100"], id="late-then-on-time"),
        pytest.param("all:3", minutes(90, 95), ["skip 90-92", "catch 93", "catch 94", "catch 95"], id="all"),
        pytest.param("all:9", minutes(94, 95), ["catch 94", "catch 95"], id="all-of-few"),
        pytest.param("all:1", minutes(98, 100), ["skip 98-98", "catch 99", "run 100"], id="all-then-on-time"),
    ],
)
def test_policy_decides_on_missed_slots(policy: str, slots: list[int], expected: list[str]) -> None:
    """Each policy does with missed slots what its name says; what is on time runs under all of them."""
    assert brief(decide(slots, NOW, read_policy(policy), Overlap.ALLOW, 0)) == expected


@pytest.mark.parametrize(
    ("overlap", "unfinished", "expected"),
    [
        pytest.param(Overlap.ALLOW, 3, ["run 100"], id="allow"),
        pytest.param(Overlap.QUEUE, 3, ["run 100"], id="queue"),
        pytest.param(Overlap.SKIP, 0, ["run 100"], id="skip-when-free"),
        pytest.param(Overlap.SKIP, 1, ["skip 100-100"], id="skip-when-busy"),
        pytest.param(Overlap.ALLOW, MOST_WAITING, ["skip 100-100"], id="bounded"),
    ],
)
def test_overlap_rule_decides_on_a_slot_while_a_call_is_not_over(
    overlap: Overlap, unfinished: int, expected: list[str]
) -> None:
    """A busy agent's slot is run, queued or skipped by its rule, and never beyond the bound."""
    assert brief(decide([NOW], NOW, read_policy("once"), overlap, unfinished)) == expected


def test_catch_ups_count_as_unfinished_for_the_next_slot() -> None:
    """An agent that skips on overlap catches up on one slot at most, and says why it skips the others."""
    decisions = decide(minutes(98, 100), NOW, read_policy("all:5"), Overlap.SKIP, 0)

    assert brief(decisions) == ["catch 98", "skip 99-100"]


@pytest.mark.parametrize(
    "text", ["", "never", "late", "late:x", "late:367d", "all", "all:0", "all:101", "skip:3", 5, None]
)
def test_policy_that_cannot_be_meant_is_refused(text: object) -> None:
    """What is no policy is refused with a sentence."""
    with pytest.raises(BadInput, match="missed"):
        read_policy(text)


@pytest.mark.parametrize("text", ["skip", "once", "late:600s", "late:1500ms", "all:7"])
def test_policy_is_written_as_it_was_read(text: str) -> None:
    """A policy is shown in the words that it was given in."""
    assert str(read_policy(text)) == text


@given(number=st.integers(0, 366), unit=st.sampled_from(["ms", "s", "m", "h", "d", ""]))
@example(1_001, "ms")
@example(12, "d")
@example(31_622_399, "s")
def test_policy_survives_being_stored(number: int, unit: str) -> None:
    """However long a slot may be late, what is stored is read again, and is the same."""
    policy = read_policy(f"late:{number}{unit}")

    assert read_policy(str(policy)) == policy


@given(
    slots=st.lists(st.integers(0, NOW), unique=True, max_size=60).map(sorted),
    policy=st.sampled_from(["skip", "once", "late:10m", "all:1", "all:4", "all:100"]),
    overlap=st.sampled_from(list(Overlap)),
    unfinished=st.integers(0, MOST_WAITING + 1),
)
def test_every_slot_gets_exactly_one_decision(
    slots: list[int], policy: str, overlap: Overlap, unfinished: int
) -> None:
    """No slot is dropped or decided twice, catch-ups keep to the policy, and each decision has a reason."""
    rule = read_policy(policy)
    decisions = decide(slots, NOW, rule, overlap, unfinished)
    decided: list[int] = []
    for one in decisions:
        assert one.reason
        if isinstance(one, Skip):
            covered = [slot for slot in slots if one.first <= slot <= one.last]
            assert len(covered) == one.count
            decided += covered
        else:
            decided.append(one.slot)
    caught_up = [one for one in decisions if isinstance(one, Run) and one.catch_up]

    assert decided == slots
    assert len(caught_up) <= max(1, rule.most)
    assert all(NOW - one.slot <= ON_TIME_MS for one in decisions if isinstance(one, Run) and not one.catch_up)
