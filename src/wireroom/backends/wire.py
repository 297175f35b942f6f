"""Reads what a coding agent's program wrote: JSON that is trusted in nothing. Pure.

Every function takes any value and returns a usable one. Text comes back without NUL and without lone
surrogates, which neither database takes.
"""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Mapping
from typing import Any

from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind
from wireroom.errors import BadInput

SUMMARY_CHARS = 200
NOTICE_CHARS = 1000
SAID_CHARS = 8 * 1024 * 1024
"""At four bytes a character less than the 50 MB of a document. Source: Telegram Bot API, sendDocument."""

OMITTED = "\n\n… [{count:,} characters omitted] …\n\n"
"""Stands where the middle of a very long answer was."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,255}")
_KEY_ARGUMENTS = (
    "command",
    "file_path",
    "filePath",
    "path",
    "pattern",
    "query",
    "url",
    "description",
    "prompt",
    "name",
)


def read_object(line: str) -> Mapping[str, Any] | None:
    """Return the JSON object of the line; None when it is anything else."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(value: object) -> str:
    """Return the value if it is text, storable; else an empty string."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else ""


def mapping_of(value: object) -> Mapping[str, Any]:
    """Return the value if it is an object; else an empty one."""
    return value if isinstance(value, dict) else {}


def objects_of(value: object) -> list[Mapping[str, Any]]:
    """Return the objects of a list; else nothing."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def count_of(value: object) -> int:
    """Return the value if it is a whole number from 0 up that a database takes; else 0."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return int(value) if is_count and isinstance(value, int) else 0


def cost_of(value: object) -> float | None:
    """Return the value if it is an amount of money; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if abs(value) < 2**53 and math.isfinite(value) else None


def message_in(text: str) -> str:
    """Return the `message` of a JSON error inside the text, as in `No: {"error": {...}}`; else the text."""
    fields = read_object(text[text.find("{") : text.rfind("}") + 1]) or {}
    return text_of(mapping_of(fields.get("error")).get("message")) or text_of(fields.get("message")) or text


def name_of(value: object) -> str | None:
    """Return the value if it can be a session's name on a command line; else None."""
    text = text_of(value)
    return text if _WORD.fullmatch(text) else None


def argument_of(value: str, what: str) -> str:
    """Return the value, safe to stand on a command line as one word that is no option.

    Raises:
        BadInput: it is not; `what` names it in the message.
    """
    if not _WORD.fullmatch(value):
        raise BadInput(f"{what} {value!r} cannot be used: letters, digits and . _ : / @ [ ] - are allowed")
    return value


_GO_ON = "(You were interrupted while working on this. Look at what is done already, then finish it.)\n\n"


_ASIDE = (
    "\n\n(This is a side question: another agent works on what was asked before and must not be disturbed. "
    "Answer in short from what you know and can read; change nothing, and do not go on with that work.)"
)


def framed_prompt(request: AgentRequest) -> bytes:
    """Return the prompt, with what a session would know: the conversation before it, our words after it."""
    prompt = _GO_ON + request.prompt if request.goes_on else request.prompt
    if request.aside:
        prompt += _ASIDE
    if request.instructions and not request.session_id:
        # After it: some agents take a first word such as `/review` for a command.
        prompt = f"{prompt}\n\n(From Wireroom: {request.instructions})"
    if request.context and not request.session_id:
        prompt = f"Earlier in this conversation:\n\n{request.context}\n\nNow:\n\n{prompt}"
    return prompt.encode(errors="replace")


def shorten(text: str, limit: int = SUMMARY_CHARS) -> str:
    """Return the text on one line of at most `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def summarise_call(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the tool's name and the argument that tells most, such as `Bash: pytest -q`."""
    told = next((text for key in _KEY_ARGUMENTS if (text := text_of(arguments.get(key)))), "")
    return shorten(f"{name}: {told}" if told else name)


def plan_steps(todos: object) -> list[dict[str, str]]:
    """Return the steps of a to-do list as both Claude Code and Cursor write it; empty when it is none."""
    return [
        {"text": shorten(text), "state": _step_state(text_of(todo.get("status")).lower())}
        for todo in objects_of(todos)
        if (text := text_of(todo.get("content")))
    ]


def notice(line: str) -> AgentEvent:
    """Return the event for a line that could not be read as one."""
    return AgentEvent(EventKind.NOTICE, {"text": shorten(text_of(line), NOTICE_CHARS)})


def _step_state(status: str) -> str:
    if "progress" in status:
        return "active"
    return "done" if "complete" in status else "pending"


class Transcript:
    """What the agent has said, and the events that say it; separate messages are a blank line apart.

    Of more than `SAID_CHARS` the beginning and the end are kept: no chat takes a larger file.
    """

    def __init__(self) -> None:
        self._said = _Ends(SAID_CHARS)
        self._last = _Ends(SAID_CHARS)

    @property
    def text(self) -> str:
        """All of it, or its ends."""
        return self._said.text

    @property
    def last_message(self) -> str:
        """The last message alone."""
        return self._last.text

    def start_message(self) -> None:
        """Let the next piece begin a new message."""
        self._last = _Ends(SAID_CHARS)

    def add(self, piece: str) -> list[AgentEvent]:
        """Add a piece to the present message."""
        if not piece:
            return []
        spoken = piece if self._last or not self._said else "\n\n" + piece
        self._last.add(piece)
        self._said.add(spoken)
        return [AgentEvent(EventKind.TEXT, {"text": spoken})]


class _Ends:
    """A growing text of which the beginning and the end are kept, half of the bound each."""

    def __init__(self, max_chars: int) -> None:
        self._half = max_chars // 2
        self._pieces: list[str] = []
        self._room = self._half
        self._tail: deque[str] = deque()
        self._tail_chars = 0
        self._omitted = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: str) -> None:
        head, rest = piece[: self._room], piece[self._room :]
        if head:
            self._pieces.append(head)
            self._room -= len(head)
        if not rest:
            return
        self._tail.append(rest)
        self._tail_chars += len(rest)
        while self._tail_chars - len(self._tail[0]) >= self._half:
            dropped = len(self._tail.popleft())
            self._tail_chars -= dropped
            self._omitted += dropped

    @property
    def text(self) -> str:
        tail = "".join(self._tail)
        excess = max(0, len(tail) - self._half)
        omitted = self._omitted + excess
        mark = OMITTED.format(count=omitted) if omitted else ""
        return "".join(self._pieces) + mark + tail[excess:]
