"""What people choose of a back end: what it lets choose, and how its program is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wireroom.backends.abilities import EFFORTS, ability_of, offered_models, refusal_of
from wireroom.backends.acp_messages import effort_choice
from wireroom.backends.claude import ClaudeBackend
from wireroom.backends.codex import CodexBackend
from wireroom.backends.gemini import GeminiBackend
from wireroom.backends.opencode import OpenCodeBackend
from wireroom.backends.protocol import AgentRequest, Backend

_RESULT = (
    '{"type": "result", "subtype": "error", "is_error": true, "session_id": "s", "terminal_reason": "%s"}'
)


def _argv(backend: Backend, **wishes: object) -> str:
    request = AgentRequest("do it", Path("/work"), **wishes)  # type: ignore[arg-type] # wishes by name
    return " ".join(backend.command(request).argv)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (ClaudeBackend, "--model opus --effort high --max-budget-usd 0.500000"),
        (CodexBackend, '--model opus --config model_reasoning_effort="high"'),
        (OpenCodeBackend, "--model opus --variant high"),
        (GeminiBackend, "--model opus"),
    ],
    ids=["claude", "codex", "opencode", "gemini"],
)
def test_program_is_told_what_was_chosen(make: Callable[..., Backend], told: str) -> None:
    """Model, effort and budget are options of the program where it knows them, and absent otherwise."""
    backend = make("agent", {})
    chosen = _argv(backend, model="opus", effort="high", budget_usd=0.5)
    assert told in chosen
    plain = _argv(backend)
    assert not any(word in plain for word in ("--model", "effort", "--variant", "budget"))
    assert ("high" in chosen) == ability_of(backend.name).takes_effort


@pytest.mark.parametrize(("reason", "spent"), [("budget_exhausted", True), ("completed", False)])
def test_claude_tells_that_its_budget_is_spent(reason: str, spent: bool) -> None:
    """A result that ends by the budget is known from other failures."""
    parser = ClaudeBackend("claude", {}).parser()
    list(parser.feed(_RESULT % reason))
    result = parser.result(1)
    assert (result.is_error, result.budget_spent) == (True, spent)


@pytest.mark.parametrize(
    ("backend", "model", "refused"),
    [
        ("claude", "opus", None),
        ("claude", "claude-opus-5-5[1m]", None),
        ("claude", "--dangerous", "no model's name"),
        ("codex", "two words", "no model's name"),
        ("opencode", "opus", "expected provider/model"),
        ("opencode", "anthropic/claude-opus-5-5", None),
        ("demo", "opus", "no choice of models"),
        ("another", "opus", None),
    ],
)
def test_model_is_refused_only_where_that_is_sure(backend: str, model: str, refused: str | None) -> None:
    """Names that cannot be right are refused in words; others are the provider's to judge."""
    said = refusal_of(backend, model)
    assert said is None if refused is None else refused in str(said)


def test_models_on_offer_are_the_back_ends_and_those_of_the_settings() -> None:
    """The back end's own come first, each once; what cannot fit it is not offered."""
    named = ["opus", "anthropic/claude-opus-5-5"]
    assert offered_models("claude", named) == ("opus", "sonnet", "haiku", "anthropic/claude-opus-5-5")
    assert offered_models("opencode", named) == ("anthropic/claude-opus-5-5",)
    assert offered_models("demo", named) == ()


def test_effort_is_chosen_from_what_an_acp_agent_offers() -> None:
    """The option of the category is set when it has the word, and left alone when it has not."""
    option = {
        "id": "thinking",
        "category": "thought_level",
        "type": "select",
        "options": [{"value": "low"}, {"value": "high"}],
    }
    session = {"configOptions": [{"id": "m", "category": "model", "options": [{"value": "high"}]}, option]}
    chosen = {effort: effort_choice(session, effort) for effort in EFFORTS}
    assert chosen == {
        "low": {"configId": "thinking", "value": "low"},
        "medium": None,
        "high": {"configId": "thinking", "value": "high"},
    }
