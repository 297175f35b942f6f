"""What an older chat front end keeps in Redis of a request whose answer is awaited. Pure.

    cursor_runner_callback:<request id>
    {"chat_id": 42, "message_id": 7, "prompt": "…", "original_was_audio": false,
     "created_at": "2026-01-31T09:00:00.000Z"}

Source: contract of telegram-receiver, section 5.2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.clock import from_ms
from wireroom.errors import BadInput
from wireroom.redis.keys import CALLBACK_STATE

_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_LONGEST_PROMPT_CHARS = 20_000
"""Of what is written: a reader needs the chat; the prompt is for people who look."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A request whose answer somebody waits for."""

    chat_id: int
    message_id: int | None
    prompt: str
    created_at: str
    """UTC, milliseconds, `2026-01-31T09:00:00.000Z`; as it was read, for one that somebody else wrote."""
    original_was_audio: bool = False


def state_key(request_id: str) -> str:
    """Return the request's key.

    Raises:
        BadInput: no request has such an id; it never becomes part of a key.
    """
    if not _ID.fullmatch(request_id):
        raise BadInput("Invalid request_id format")
    return CALLBACK_STATE.key(request_id)


def encode_pending(pending: Pending) -> bytes:
    """Return the state as older services read it."""
    body = {
        "chat_id": pending.chat_id,
        "message_id": pending.message_id,
        "prompt": pending.prompt[:_LONGEST_PROMPT_CHARS],
        "original_was_audio": pending.original_was_audio,
        "created_at": pending.created_at,
    }
    return msgspec.json.encode(body)


def decode_pending(value: bytes) -> Pending | None:
    """Return what an older service has written; None for what names no chat or is no such state at all."""
    try:
        fields = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    chat_id = _whole(fields.get("chat_id")) if isinstance(fields, dict) else None
    if chat_id is None:
        return None
    return Pending(
        chat_id=chat_id,
        message_id=_whole(fields.get("message_id")),
        prompt=_text(fields.get("prompt")),
        created_at=_text(fields.get("created_at")),
        original_was_audio=fields.get("original_was_audio") is True,
    )


def moment(at_ms: int) -> str:
    """Return a time as older services write it."""
    return from_ms(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _whole(value: Any) -> int | None:
    """Return a number that may have been written as a text; Telegram's ids have up to 52 bits."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and abs(value) < 10**18 else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
