"""Whether an agent may use a tool, as far as that is known without asking a person. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from wireroom.errors import SettingsError


class Rule(StrEnum):
    """What a rule says."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class ToolRule:
    """The answer for every tool whose name fits."""

    pattern: str
    """As `fnmatch` reads it: `*`, `?`, `[…]`; upper and lower case are the same."""
    says: Rule


@dataclass(frozen=True, slots=True)
class Settled:
    """Nobody needs to be asked."""

    allowed: bool
    why: str
    """For the log and for people."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when an agent asks."""

    tool: str
    answered: bool | None
    """What a person said to the same question of the same run, before a crash; None: nothing."""
    allowed_for_session: bool
    """A person allowed the tool for the rest of the conversation."""
    attended: bool
    """There is a person who could be asked."""
    default: bool
    """What holds when nobody can be asked; True allows."""


def read_rules(words: Iterable[str]) -> tuple[ToolRule, ...]:
    """Return the rules of `WIREROOM_PERMISSION_RULES`, such as `("read*=allow", "execute=ask")`.

    Raises:
        SettingsError: a word is no rule; the message shows it.
    """
    return tuple(_rule(word) for word in words)


def settle(rules: Sequence[ToolRule], now: Situation) -> Settled | None:
    """Return the answer that needs no person; None: ask one.

    The first rule that fits wins, and `ask` sends on to what people have said and can say: an answer to this
    very question, then one for the session. Who cannot be asked has the default.
    """
    rule = next((rule for rule in rules if fnmatchcase(now.tool.lower(), rule.pattern.lower())), None)
    if rule is not None and rule.says is not Rule.ASK:
        return Settled(rule.says is Rule.ALLOW, f"rule {rule.pattern}={rule.says}")
    if now.answered is not None:
        return Settled(now.answered, "answered before")
    if now.allowed_for_session:
        return Settled(allowed=True, why="allowed for this session")
    if not now.attended:
        return Settled(now.default, "nobody can be asked")
    return None


def _rule(word: str) -> ToolRule:
    pattern, equals, says = word.rpartition("=")
    pattern, says = pattern.strip(), says.strip().lower()
    if not equals or not pattern or says not in set(Rule):
        raise SettingsError(
            f"WIREROOM_PERMISSION_RULES: {word!r} is no rule; write it as tool=allow, tool=deny or tool=ask."
        )
    return ToolRule(pattern, Rule(says))
