"""The state of an open request, exactly as older services write and read it."""

from __future__ import annotations

import json

import pytest

from wireroom.callbacks.pending import Pending, decode_pending, encode_pending, moment, state_key
from wireroom.errors import BadInput
from wireroom.intake.older_answers import answer_text, is_success


def test_state_is_written_as_older_services_read_it() -> None:
    """The key and the five fields of the contract, in its spelling, the time in UTC with milliseconds."""
    pending = Pending(chat_id=-100123, message_id=7, prompt="grüße", created_at=moment(1_769_850_000_123))

    assert state_key("telegram-7-42") == "cursor_runner_callback:telegram-7-42"
    assert json.loads(encode_pending(pending)) == {
        "chat_id": -100123,
        "message_id": 7,
        "prompt": "grüße",
        "original_was_audio": False,
        "created_at": "2026-01-31T09:00:00.123Z",
    }
    assert decode_pending(encode_pending(pending)) == pending


def test_long_prompt_is_cut() -> None:
    """A reader needs the chat, not a megabyte of prompt."""
    assert len(encode_pending(Pending(1, 2, "x" * 100_000, ""))) < 21_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"chat_id": 5}', Pending(5, None, "", "")),
        (
            '{"chat_id":"-12","message_id":"3","prompt":"p","original_was_audio":true,"created_at":"t","more":1}',
            Pending(-12, 3, "p", "t", original_was_audio=True),
        ),
        (
            '{"chat_id": 5, "message_id": true, "prompt": null, "original_was_audio": 1}',
            Pending(5, None, "", ""),
        ),
        ('{"chat_id": null}', None),
        ('{"chat_id": true}', None),
        ('{"chat_id": 1e3}', None),
        ('{"chat_id": 99999999999999999999}', None),
        ('{"message_id": 5}', None),
        ("[]", None),
        ("5", None),
        ("{", None),
        ("\xff", None),
        ("", None),
    ],
)
def test_state_of_an_older_service_is_read_with_care(value: str, expected: Pending | None) -> None:
    """Numbers may be texts, what is missing has its default; what names no chat is no state."""
    assert decode_pending(value.encode("latin-1")) == expected


@pytest.mark.parametrize("request_id", ["", "a b", "a\nb", "*", "a/b", "ü", "x" * 256])
def test_odd_id_is_no_part_of_a_key(request_id: str) -> None:
    """An id with anything but letters, digits and . _ : - never reaches Redis."""
    with pytest.raises(BadInput):
        state_key(request_id)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *((value, True) for value in (True, "true", 1, "1", "yes")),
        *((value, False) for value in (False, "false", 0, "0", None, "")),
    ],
)
def test_success_is_read_by_the_older_rule(value: object, expected: bool) -> None:
    """Texts and numbers count as the contract says."""
    assert is_success(value) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"success": True, "output": "\x1b[32mDone.\x1b[0m\r\n"}, "Done."),
        ({"success": True, "output": " "}, "✅ Done. The agent said nothing."),
        ({"success": False, "error": "No \x1b[1mspace"}, "❌ No space"),
        ({"success": False}, "❌ Unknown error occurred"),
        ({"error": "broke", "output": "half"}, "❌ broke\n\nUntil then:\n\nhalf"),
        ({"success": True, "output": 5}, "5"),
    ],
)
def test_answer_says_what_the_callback_says(fields: dict[str, object], expected: str) -> None:
    """Cleaned output for success, the error otherwise, and what was said until then."""
    assert answer_text(fields) == expected
