"""What a coding agent is told of the past when it cannot resume its own session. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SPEAKERS = {"user": "User", "assistant": "You", "system": "Note"}
_CUT = " […]"
_SUMMARY_LINE_CHARS = 200
_SUMMARY_HEAD = "Earlier, in short:"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: str
    """user, assistant or system."""
    content: str


def bounded_context(turns: Sequence[Turn], limit_chars: int, summary: str = "") -> str:
    """Return the newest turns as text, oldest first, within the limit; empty when there are none.

    A turn that alone takes more than half of the limit is shortened, so that one long answer does not
    push out the question before it.

    Args:
        turns: Oldest first.
        limit_chars: Longest text to return, in characters, without the frame of two lines.
        summary: What was said before those turns; put first, in at most a quarter of the limit.
    """
    before = _headed(summary, limit_chars // 4)
    newest = _newest(turns, limit_chars - len(before) - 2 if before else limit_chars)
    return "\n\n".join(part for part in (before, newest) if part)


def extended_summary(summary: str, turns: Sequence[Turn], limit_chars: int) -> str:
    """Return the summary with a line for each of these turns; the oldest lines go when it gets too long.

    No model is asked: it costs nothing, cannot fail, and says nothing that was not said.
    """
    lines = summary.splitlines()
    lines += [_in_short(turn) for turn in turns]
    return _last_lines(lines, limit_chars)


def _in_short(turn: Turn) -> str:
    return f"{_speaker(turn)}: {_shortened(_one_line(turn.content), _SUMMARY_LINE_CHARS)}"


def _headed(summary: str, limit_chars: int) -> str:
    shown = _last_lines(summary.splitlines(), limit_chars - len(_SUMMARY_HEAD) - 1)
    return f"{_SUMMARY_HEAD}\n{shown}" if shown else ""


def _last_lines(lines: Sequence[str], limit_chars: int) -> str:
    kept: list[str] = []
    left = limit_chars
    for line in reversed(lines):
        if len(line) + 1 > left:
            break
        kept.append(line)
        left -= len(line) + 1
    return "\n".join(reversed(kept))


def _newest(turns: Sequence[Turn], limit_chars: int) -> str:
    kept: list[str] = []
    left = limit_chars
    for turn in reversed(turns):
        line = f"{_speaker(turn)}: {_shortened(turn.content, limit_chars // 2)}"
        if len(line) + 2 > left:
            break
        kept.append(line)
        left -= len(line) + 2
    return "\n\n".join(reversed(kept))


def _speaker(turn: Turn) -> str:
    return _SPEAKERS.get(turn.role, turn.role)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - len(_CUT))] + _CUT
