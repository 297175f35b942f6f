"""Every family of keys and channels that Wireroom has in Redis. Pure; docs/reference/redis-keys.md shows it.

A family's keys begin with its name and a colon, so that nobody else's keys are ever touched: Redis is often
shared. Whoever writes a key takes a family of this list; a test holds the page and the code to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from wireroom.errors import BadInput

LONGEST_TTL_SECONDS = 86_400
DEFAULT_TTL_SECONDS = 3600
_LONGEST_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class KeyFamily:
    """Keys of one kind."""

    name: str
    """What they begin with, without the colon."""
    kind: str
    """string or channel."""
    holds: str
    """The value, for people."""
    lives: str
    """How long, for people."""
    reader: str
    """Who reads it, for people."""

    def key(self, rest: str) -> str:
        """Return the family's key of this name.

        Raises:
            BadInput: the name is empty, or longer than a key should be.
        """
        if not rest or len(rest.encode()) > _LONGEST_KEY_BYTES:
            raise BadInput(f"A key of {self.name} has 1 to {_LONGEST_KEY_BYTES} bytes after its family.")
        return f"{self.name}:{rest}"

    def rest(self, key: str) -> str:
        """Return what stands after the family's name in one of its keys."""
        return key.removeprefix(f"{self.name}:")


CALLBACK_STATE = KeyFamily(
    "cursor_runner_callback",
    "string",
    "JSON `{chat_id, message_id, prompt, original_was_audio, created_at}` of an open request, by its id",
    "`WIREROOM_CALLBACK_STATE_SECONDS`, 3,600 s; at most 86,400 s; removed when the answer is known",
    "Wireroom and telegram-receiver",
)
CACHE = KeyFamily(
    "wireroom:cache",
    "string",
    "a cached value, or the token of something that cached values depend on",
    "the value's own time, with jitter; a token 86,400 s",
    "Wireroom",
)
CLAIM = KeyFamily(
    "wireroom:claim",
    "string",
    "a random word of the one process that computes a value, so that no other does",
    "the longest time of the computation, seconds",
    "Wireroom",
)
NEWS = KeyFamily(
    "wireroom:news",
    "channel",
    "messages to all replicas, such as what is no longer true; nothing is stored",
    "-",
    "Wireroom",
)
BUDGET = KeyFamily(
    "wireroom:budget",
    "string",
    "when a caller's budget is whole again, in microseconds; the caller as a keyed digest",
    "until then; at most 86,400 s",
    "Wireroom",
)

FAMILIES = (CALLBACK_STATE, CACHE, CLAIM, NEWS, BUDGET)
