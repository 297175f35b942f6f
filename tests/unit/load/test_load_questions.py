"""What people say, and how its answer is known."""

from __future__ import annotations

import json

import pytest

from wireroom.intake.update import Place, Said, Speaker, read_update
from wireroom.load import questions
from wireroom.speech.limits import Recording
from wireroom.testing.scripted_program import _STEPS, _steps


def test_tokens_are_told_apart() -> None:
    """The twelfth token is not found in a text with the first, nor a token of another measurement."""
    text = f"Mended: {questions.token_of('K3f', 12)}. And {questions.token_of('K3g', 1)}"

    assert questions.tokens_in(text, "K3f") == {"K3fx12"}


def test_prompt_is_a_script_that_answers_with_the_token() -> None:
    """A scripted agent knows every step of the prompt, and says the token."""
    steps = _steps(questions.prompt("K3fx1", 0.25))

    assert [name for name, _ in steps] == ["think", "sleep", "say"]
    assert all(name in _STEPS for name, _ in steps)
    assert questions.tokens_in(steps[-1][1], "K3f") == {"K3fx1"}


@pytest.mark.parametrize(
    ("said", "text", "recording"),
    [
        pytest.param({"text": "hello"}, "hello", None, id="written"),
        pytest.param(
            {"voice": {"file_id": "F", "file_unique_id": "U", "duration": 1}},
            "",
            Recording("F", "U", 1, content_type="audio/ogg"),
            id="spoken",
        ),
    ],
)
def test_update_is_read_as_said_in_a_private_chat(
    said: dict[str, object], text: str, recording: Recording | None
) -> None:
    """What we push is what the service understands as a person's message."""
    made = questions.update(77, 1001, questions.message_id_of(5), 1_790_000_000, said)

    assert read_update(json.dumps(made)) == Said(
        77, Place(1001, None, 1_000_000_005), Speaker(1001, "Ann"), text, recording=recording
    )
