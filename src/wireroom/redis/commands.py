"""The Redis commands that Wireroom uses, as values. Pure.

What is not here is not used: nothing writes a key without a time to live, and nothing walks all keys at once.
`SET … NX EX`, the one way to claim a key atomically, has its time to live as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from wireroom.errors import BadInput
from wireroom.redis.keys import LONGEST_TTL_SECONDS

Word = str | bytes | int
Command = tuple[Word, ...]
"""Its name first."""

_CLAIM = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0
"""
"""Whose key it is; whoever asks twice with the same word has it still, so a lost reply loses nothing."""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""Gives back one's own claim, never one that somebody else has taken since."""

_CHARGE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local share, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local level = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
if level + share - window > now then return {0, level - now} end
level = level + share
redis.call('SET', KEYS[1], string.format('%.0f', level), 'PX', math.ceil((level - now) / 1000))
return {1, level - now}
"""
"""Counts one request of a budget if it may pass: the rule of `api.budgets.judge`, in whole microseconds."""

_REFUND = """
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('DECRBY', KEYS[1], ARGV[1]) end
return 0
"""
"""Gives one request of a budget back; what is not there is whole."""


def get(key: str) -> Command:
    """Read a value."""
    return ("GET", key)


def setex(key: str, ttl_seconds: int, value: bytes | str) -> Command:
    """Write a value that is gone after the time.

    Raises:
        BadInput: see `checked_ttl`.
    """
    return ("SETEX", key, checked_ttl(ttl_seconds), value)


def delete(key: str) -> Command:
    """Remove a key."""
    return ("DEL", key)


def ttl(key: str) -> Command:
    """Ask how long a key lives, seconds; negative when it does not exist."""
    return ("TTL", key)


def claim(key: str, word: str, ttl_seconds: int) -> Command:
    """Take a key for oneself, under a word that nobody else knows; 1 when it is ours.

    Raises:
        BadInput: see `checked_ttl`.
    """
    return ("EVAL", _CLAIM, 1, key, word, checked_ttl(ttl_seconds))


def release(key: str, word: str) -> Command:
    """Give a claim back; 1 when it was ours."""
    return ("EVAL", _RELEASE, 1, key, word)


def charge(key: str, share_us: int, window_us: int) -> Command:
    """Count a request of a budget: [1 if it may pass, microseconds until the budget is whole again].

    Args:
        key: The caller's.
        share_us: What one request uses up of the window, microseconds.
        window_us: The window, at most a day.
    """
    checked_ttl(-(-window_us // 1_000_000))
    return ("EVAL", _CHARGE, 1, key, share_us, window_us)


def refund(key: str, share_us: int) -> Command:
    """Give a request of a budget back."""
    return ("EVAL", _REFUND, 1, key, share_us)


def publish(channel: str, message: bytes) -> Command:
    """Send a message to whoever listens now."""
    return ("PUBLISH", channel, message)


def checked_ttl(ttl_seconds: int) -> int:
    """Return the time to live.

    Raises:
        BadInput: it is no whole number of seconds from 1 to 86,400.
    """
    usable = isinstance(ttl_seconds, int) and not isinstance(ttl_seconds, bool)
    if not usable or not 1 <= ttl_seconds <= LONGEST_TTL_SECONDS:
        raise BadInput(f"A time to live is 1 to {LONGEST_TTL_SECONDS} whole seconds, not {ttl_seconds!r}.")
    return ttl_seconds


@dataclass(slots=True)
class Batch:
    """Commands that go in one round trip, in order; not a transaction."""

    commands: list[Command] = field(default_factory=list)

    def add(self, command: Command) -> Batch:
        """Add one of this module's commands; `Batch().add(get("a")).add(delete("a"))`."""
        self.commands.append(command)
        return self
