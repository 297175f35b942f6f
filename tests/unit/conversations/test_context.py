"""What an agent without a session is told of the past."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.conversations.context import Turn, bounded_context

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
