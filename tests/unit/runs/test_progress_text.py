"""What a chat shows while an agent works."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.delivery.drafts import first_message
from wireroom.delivery.parts import TextPart
from wireroom.runs.progress_text import ProgressText

HEAD = "⏳ Working …"


def _text(text: str) -> AgentEvent:
    return AgentEvent(EventKind.TEXT, {"text": text})


def _tool(summary: str) -> AgentEvent:
    return AgentEvent(EventKind.TOOL_CALL, {"id": "1", "name": "x", "summary": summary})


def _plan(**states: str) -> AgentEvent:
    return AgentEvent(
        EventKind.PLAN, {"steps": [{"text": text, "state": state} for text, state in states.items()]}
    )


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        pytest.param([], HEAD, id="nothing-yet"),
        pytest.param([_text("Hel"), _text("lo ")], f"{HEAD}\n\nHello", id="text"),
        pytest.param([_tool("Read a.py")], f"{HEAD}\n\n🔧 Read a\\.py", id="step"),
        pytest.param([_tool("1"), _text("hi")], f"{HEAD}\n\n🔧 1\n\nhi", id="steps-before-text"),
        pytest.param(
            [_plan(a="done", b="active", c="pending", d="odd")],
            f"{HEAD}\n\n✅ a\n▶️ b\n▫️ c\n▫️ d",
            id="plan",
        ),
        pytest.param([_tool("1"), _plan(a="active")], f"{HEAD}\n\n▶️ a", id="plan-instead-of-steps"),
        pytest.param([_plan(a="active"), _plan(a="done")], f"{HEAD}\n\n✅ a", id="newest-plan"),
        pytest.param(
            [_tool(str(number)) for number in range(8)],
            f"{HEAD}\n\n" + "\n".join(f"🔧 {number}" for number in range(2, 8)),
            id="last-six-steps",
        ),
    ],
)
def test_progress_shows_plan_or_steps_and_the_text_so_far(events: list[AgentEvent], shown: str) -> None:
    """The plan stands first, without one the last steps, then the text."""
    progress = ProgressText()
    for event in events:
        assert progress.take(event)

    assert progress.text == shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_steps_are_shown_letter_by_letter(summary: str) -> None:
    """Nothing in the name of a step is taken for formatting."""
    progress = ProgressText()
    progress.take(_tool(summary))

    assert first_message(progress.text) == TextPart(f"{HEAD}\n\n🔧 {summary}")


def test_long_progress_shows_its_beginning() -> None:
    """Progress that one message cannot hold is cut, and does not point to a file that is not there."""
    shown = first_message("word " * 2000)

    assert shown is not None
    assert 4000 < len(shown.text) <= 4096
    assert set(shown.text.split()) == {"word"}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        pytest.param(EventKind.THOUGHT, {"text": "hm"}, id="thought"),
        pytest.param(EventKind.TOOL_RESULT, {"id": "1", "ok": True, "summary": "x"}, id="tool-result"),
        pytest.param(EventKind.SESSION, {"session_id": "s"}, id="session"),
        pytest.param(EventKind.USAGE, {"input_tokens": 1}, id="usage"),
        pytest.param(EventKind.NOTICE, {"text": "x"}, id="notice"),
        pytest.param(EventKind.STATE, {"state": "running", "reason": None}, id="state"),
    ],
)
def test_other_events_change_nothing(kind: EventKind, payload: dict[str, Any]) -> None:
    """Thoughts, results, usage and notices are for the log, not for the chat."""
    progress = ProgressText()

    assert not progress.take(AgentEvent(kind, payload))
    assert progress.text == HEAD


@given(st.lists(st.text(max_size=2000), max_size=8))
def test_progress_is_bounded_and_ends_with_the_newest_text(pieces: list[str]) -> None:
    """However much is said, the text stays short enough for one message and shows the newest."""
    progress = ProgressText()
    for piece in pieces:
        progress.take(_text(piece))

    assert len(progress.text) <= 3000 + len(HEAD) + 2
    assert progress.text.endswith("".join(pieces).strip()[-100:])
