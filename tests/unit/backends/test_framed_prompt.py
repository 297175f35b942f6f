"""What stands around a prompt when it reaches an agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.backends.protocol import AgentRequest
from wireroom.backends.wire import framed_prompt

_TOLD = "(From Wireroom: Keep it short.)"


@pytest.mark.parametrize(
    ("session", "context", "framed"),
    [
        pytest.param(None, "", f"/review it\n\n{_TOLD}", id="new session"),
        pytest.param("s-1", "", "/review it", id="session that was told"),
        pytest.param("s-1", "User: hello", "/review it", id="session that knows the conversation"),
        pytest.param(
            None,
            "User: hello",
            f"Earlier in this conversation:\n\nUser: hello\n\nNow:\n\n/review it\n\n{_TOLD}",
            id="agent without a session",
        ),
    ],
)
def test_instructions_follow_the_first_prompt_of_a_session(
    session: str | None, context: str, framed: str
) -> None:
    """They come after the prompt, whose first word may be a command, and once a session."""
    request = AgentRequest(
        "/review it", Path("/"), session_id=session, context=context, instructions="Keep it short."
    )
    assert framed_prompt(request).decode() == framed


def test_prompt_without_instructions_is_as_it_was_asked() -> None:
    """An installation that switched them off sends the prompt alone."""
    assert framed_prompt(AgentRequest("do it", Path("/"))) == b"do it"
