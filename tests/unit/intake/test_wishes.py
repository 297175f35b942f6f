"""What a chat has chosen becomes part of its requests, and only of those."""

from __future__ import annotations

import pytest

from wireroom.conversations.chat_settings import ChatSettings
from wireroom.intake.wishes import with_choices, without_choices
from wireroom.runs.options import RunOptions

_CHOSEN = ChatSettings(models={"claude": "opus"}, effort="high", run_usd=2, run_minutes=20)


@pytest.mark.parametrize(
    ("options", "chosen", "backend", "expected"),
    [
        (None, ChatSettings(), "claude", None),
        (
            None,
            _CHOSEN,
            "claude",
            RunOptions(model="opus", effort="high", budget_minutes=20, budget_usd=2),
        ),
        (None, _CHOSEN, "codex", RunOptions(effort="high", budget_minutes=20, budget_usd=2)),
        (
            RunOptions(model="haiku", budget_usd=1, unattended=True),
            _CHOSEN,
            "claude",
            RunOptions(model="haiku", effort="high", budget_minutes=20, budget_usd=1, unattended=True),
        ),
    ],
    ids=["nothing chosen", "all of it", "a model of another back end", "the request's own wishes win"],
)
def test_request_has_what_its_chat_chose(
    options: RunOptions | None, chosen: ChatSettings, backend: str, expected: RunOptions | None
) -> None:
    """Whatever the request leaves open follows the chat; a request that says all keeps all."""
    assert with_choices(options, chosen, backend) == expected


def test_request_asked_again_follows_the_chat_anew() -> None:
    """A chat's request forgets what was chosen then; a program's keeps what the program asked for."""
    asked = RunOptions(model="opus", effort="high", budget_usd=2, unattended=True)
    assert without_choices(asked, "telegram") == RunOptions(unattended=True)
    assert without_choices(asked, "api") == asked
