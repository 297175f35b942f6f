"""What an agent without a session is told of the past."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.conversations.context import Turn, bounded_context, extended_summary

QUESTION, ANSWER = Turn("user", "what?"), Turn("assistant", "that.")


@pytest.mark.parametrize(
    ("turns", "limit", "text"),
    [
        pytest.param([], 100, "", id="nothing-said"),
        pytest.param([QUESTION, ANSWER], 100, "User: what?\n\nYou: that.", id="oldest-first"),
        pytest.param([Turn("system", "moved")], 100, "Note: moved", id="note"),
        pytest.param([Turn("tool", "x")], 100, "tool: x", id="unknown-role"),
        pytest.param([QUESTION, ANSWER], 14, "You: that.", id="newest-when-there-is-no-room-for-all"),
        pytest.param([QUESTION, ANSWER], 0, "", id="no-room"),
        pytest.param(
            [QUESTION, Turn("assistant", "x" * 100)],
            60,
            "User: what?\n\nYou: " + "x" * 26 + " […]",
            id="long-answer-leaves-room-for-the-question",
        ),
    ],
)
def test_context_is_the_newest_turns_that_fit(turns: list[Turn], limit: int, text: str) -> None:
    """The newest turns are given in order; one that is too long is shortened, not dropped."""
    assert bounded_context(turns, limit) == text


@given(
    st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), st.text(max_size=60)), max_size=8),
    st.integers(0, 200),
)
def test_context_never_exceeds_its_limit(turns: list[Turn], limit: int) -> None:
    """Whatever was said, the text is within the limit, and more room never shows fewer turns."""
    text = bounded_context(turns, limit)

    assert len(text) <= limit
    assert len(text) <= len(bounded_context(turns, 10_000))


def test_summary_has_a_line_for_each_turn_and_loses_the_oldest() -> None:
    """Each turn is one short line; when the room is used up the oldest lines go first."""
    turns = [Turn("user", f"question {number}\n with   spaces") for number in range(3)]
    assert extended_summary("User: before", turns, 1000).splitlines() == [
        "User: before",
        "User: question 0 with spaces",
        "User: question 1 with spaces",
        "User: question 2 with spaces",
    ]
    assert extended_summary("User: before", turns, 60).splitlines() == [
        "User: question 1 with spaces",
        "User: question 2 with spaces",
    ]


def test_summary_comes_first_and_takes_at_most_a_quarter() -> None:
    """What was said long ago is told in short, and never pushes out what was said just now."""
    summary = "\n".join(f"User: old {number}" for number in range(100))
    text = bounded_context([QUESTION, ANSWER], 400, summary)
    assert text.startswith("Earlier, in short:\nUser: old")
    assert text.endswith("User: old 99\n\nUser: what?\n\nYou: that.")
    assert len(text.partition("\n\n")[0]) <= 100


@given(
    st.text(max_size=400),
    st.lists(st.builds(Turn, st.just("user"), st.text(max_size=90))),
    st.integers(0, 300),
)
def test_context_with_a_summary_never_exceeds_its_limit(summary: str, turns: list[Turn], limit: int) -> None:
    """However long the summary, the whole stays within the limit."""
    assert len(bounded_context(turns, limit, extended_summary(summary, turns, 200))) <= limit
