"""How each coding agent is kept from changing anything while it answers a side question."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.backends.claude_talk import replayed, user_line
from wireroom.backends.codex import CodexBackend
from wireroom.backends.cursor import CursorBackend
from wireroom.backends.gemini import GeminiBackend
from wireroom.backends.opencode import OpenCodeBackend
from wireroom.backends.protocol import AgentRequest, Backend


@pytest.mark.parametrize(
    ("backend", "option", "never"),
    [
        pytest.param(
            CodexBackend("x", {}, "danger-full-access"), "--sandbox read-only", "danger", id="codex"
        ),
        pytest.param(GeminiBackend("x", {}, "yolo"), "--approval-mode plan", "yolo", id="gemini"),
        pytest.param(CursorBackend("x", {}), "--mode=ask", "--force", id="cursor"),
        pytest.param(OpenCodeBackend("x", {}), "--session s-1 --fork --agent plan", "build", id="opencode"),
    ],
)
def test_side_question_is_asked_of_an_agent_that_only_reads(
    backend: Backend, option: str, never: str
) -> None:
    """Whatever settings allow otherwise; a plain request keeps what they allow."""
    session = "s-1" if backend.name == "opencode" else None
    aside = AgentRequest("hello", Path("/w"), session_id=session, aside=True)
    argv = " ".join(backend.command(aside).argv)
    assert option in argv
    assert never not in argv
    assert option not in " ".join(backend.command(AgentRequest("hello", Path("/w"))).argv)


def test_line_that_claude_repeats_is_known_by_its_id() -> None:
    """A line of ours is one line, and only its repetition counts as taken."""
    line = user_line("a\nb", "id-1")
    assert "\n" not in line
    assert replayed(line) == ""
    assert replayed(line.replace('"type"', '"isReplay": true, "type"', 1)) == "id-1"
    assert replayed('{"type": "assistant", "isReplay": true, "uuid": "id-1"}') == ""
