"""What a coding agent is told of the past when it cannot resume its own session. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SPEAKERS = {"user": "User", "assistant": "You", "system": "Note"}
_CUT = " […]"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str
    """user, assistant or system."""
    content: str


def bounded_context(turns: Sequence[Turn], limit_chars: int) -> str:
    """Return the newest turns as text, oldest first, within the limit; empty when there are none.

    A turn that alone takes more than half of the limit is shortened, so that one long answer does not
    push out the question before it.

    Args:
        turns: Oldest first.
        limit_chars: Longest text to return, in characters, without the frame of two lines.
    """
    kept: list[str] = []
    left = limit_chars
    for turn in reversed(turns):
        line = f"{_SPEAKERS.get(turn.role, turn.role)}: {_shortened(turn.content, limit_chars // 2)}"
        if len(line) + 2 > left:
            break
        kept.append(line)
        left -= len(line) + 2
    return "\n\n".join(reversed(kept))


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - len(_CUT))] + _CUT
