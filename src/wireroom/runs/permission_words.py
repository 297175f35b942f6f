"""What people see of an agent's question for permission, and what they can say to it. Pure."""

from __future__ import annotations

import re
from enum import StrEnum

from wireroom.backends.protocol import PermissionQuestion
from wireroom.delivery.outbox import Button
from wireroom.runs.permission_rows import PermissionState


class Answer(StrEnum):
    """What a person can say; also the word in a button's data."""

    ALLOW = "allow"
    SESSION = "session"
    DENY = "deny"

    @property
    def state(self) -> PermissionState:
        """The state of a question that is answered so."""
        return _STATES[self]


_STATES = {
    Answer.ALLOW: PermissionState.ALLOWED,
    Answer.SESSION: PermissionState.ALLOWED_SESSION,
    Answer.DENY: PermissionState.DENIED,
}
SAID = {
    PermissionState.ALLOWED: "Allowed.",
    PermissionState.ALLOWED_SESSION: "Allowed for this session.",
    PermissionState.DENIED: "Denied.",
}
"""How an answer is acknowledged."""


class Taken(StrEnum):
    """What became of an answer."""

    TAKEN = "taken"
    GONE = "gone"
    """There is no such question where it was answered."""
    ANSWERED = "answered"
    """Somebody has answered before."""
    TOO_LATE = "too late"
    """The agent does not wait any more."""


NOT_TAKEN = {
    Taken.GONE: "That question is gone.",
    Taken.ANSWERED: "Somebody has answered this already.",
    Taken.TOO_LATE: "Too late: the agent does not wait for this any more.",
}
"""Why an answer changed nothing."""


def question_markdown(question: PermissionQuestion) -> str:
    """Return the message that asks a person."""
    return f"🔐 The agent asks for permission: **{_plain(question.tool)}**\n\n{_code(question.subject)}"


def buttons_of(permission_id: str) -> tuple[Button, ...]:
    """Return the buttons under that message."""
    return (
        Button("✅ Allow once", f"w:{Answer.ALLOW}:{permission_id}"),
        Button("✅ Allow for this session", f"w:{Answer.SESSION}:{permission_id}"),
        Button("🚫 Deny", f"w:{Answer.DENY}:{permission_id}"),
    )


def _plain(word: str) -> str:
    """Return the word without what Markdown would read."""
    return re.sub(r"([\\`*_\[\]<>~|])", r"\\\1", word)


def _code(text: str) -> str:
    """Return a span of code; its fence is longer than any that the text contains."""
    fence = "`" * max([1, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"
