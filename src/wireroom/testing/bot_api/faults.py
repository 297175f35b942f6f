"""What may go wrong on purpose: faults by method and chat, and calls that are held at an exact point."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from wireroom.testing.bot_api.errors import ApiRefusal, too_many_requests


class When(StrEnum):
    """A point of a call."""

    BEFORE = "before"
    """It arrived; nothing has been done."""
    AFTER = "after"
    """It was done, people see it; the caller does not know yet."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an error, doing nothing."""

    code: int
    description: str
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Do nothing and say nothing for so long, then break the connection."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Slow:
    """Do it at once, answer so much later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class DropBefore:
    """Break the connection without doing anything."""


@dataclass(frozen=True, slots=True)
class DropAfter:
    """Do it, then break the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Garble:
    """Do it, then answer 200 with JSON that ends in the middle."""


Fault = Refuse | Hang | Slow | DropBefore | DropAfter | Garble


def flooded(retry_after: int) -> Refuse:
    """Return the 429 that asks to wait `retry_after` seconds."""
    refusal = too_many_requests(retry_after)
    return Refuse(refusal.code, refusal.description, refusal.parameters)


def blocked() -> Refuse:
    """Return the 403 of a person who blocked the bot."""
    return Refuse(403, "Forbidden: bot was blocked by the user")


def rejected(reason: str = "wrong parameter") -> Refuse:
    """Return the 400 with this reason."""
    return Refuse(400, f"Bad Request: {reason}")


def broken(code: int = 500, description: str = "Internal Server Error") -> Refuse:
    """Return a 5xx."""
    return Refuse(code, description)


def to_refusal(fault: Refuse) -> ApiRefusal:
    """Return the answer that the fault gives."""
    return ApiRefusal(fault.code, fault.description, fault.parameters)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which calls are meant; None means any."""

    method: str | None = None
    chat_id: int | None = None

    def covers(self, method: str, chat_id: int | None) -> bool:
        """Tell whether a call is meant; method names do not mind case."""
        return (self.method is None or self.method.lower() == method.lower()) and (
            self.chat_id is None or self.chat_id == chat_id
        )


@dataclass(slots=True, eq=False)
class FaultRule:
    """A fault in force; `lift` ends it early."""

    fault: Fault
    scope: Scope
    left: int | None
    """How many more calls it hits; None for no limit."""
    until: float | None
    """`time.monotonic()` at which it ends; None for never."""
    hits: int = 0

    def lift(self) -> None:
        """End the fault."""
        self.left = 0

    def is_over(self, now: float) -> bool:
        """Tell whether it can hit no more."""
        return self.left == 0 or (self.until is not None and now >= self.until)


@dataclass(slots=True)
class FaultPlan:
    """The faults in force, in the order of their setting; a call takes the first that means it."""

    rules: list[FaultRule] = field(default_factory=list)

    def add(self, rule: FaultRule) -> FaultRule:
        """Put a fault in force."""
        self.rules.append(rule)
        return rule

    def take(self, method: str, chat_id: int | None, now: float) -> Fault | None:
        """Return the fault for a call, using it up by one."""
        if not self.rules:
            return None
        self.rules = [rule for rule in self.rules if not rule.is_over(now)]
        for rule in self.rules:
            if rule.scope.covers(method, chat_id):
                rule.hits += 1
                if rule.left is not None:
                    rule.left -= 1
                return rule.fault
        return None


class Hold:
    """Parks the next call it means, until released or out of time."""

    def __init__(self, scope: Scope, when: When, timeout_seconds: float) -> None:
        self.scope = scope
        self.when = when
        self.timeout_seconds = timeout_seconds
        self._reached = asyncio.Event()
        self._released = asyncio.Event()
        self._drops = False

    @property
    def is_taken(self) -> bool:
        """Whether a call has come to it; it parks only one."""
        return self._reached.is_set()

    @property
    def is_over(self) -> bool:
        """Whether its call went on, or never will be parked."""
        return self._released.is_set()

    async def reached(self, timeout_seconds: float = 10.0) -> None:
        """Return once a call is parked here.

        Raises:
            TimeoutError: none came in time.
        """
        async with asyncio.timeout(timeout_seconds):
            await self._reached.wait()

    def release(self, *, drop: bool = False) -> None:
        """Let the call go on; `drop` breaks its connection instead, undone if it was held before acting."""
        self._drops = drop
        self._released.set()

    async def park(self) -> bool:
        """Wait as the parked call; True when its connection is to be dropped. Out of time, it goes on."""
        self._reached.set()
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await self._released.wait()
        except TimeoutError:
            self._released.set()
        return self._drops
