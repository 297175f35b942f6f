"""Permits to send, as the sender and the signs of life ask for them: the port, and one process's own.

Many processes of one bot share theirs in the database: `delivery.shared_permits`. The rules are the same,
`delivery.lanes`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from wireroom.clock import Clock
from wireroom.delivery.lanes import Kind, Lanes


class Permits(Protocol):
    """Permits for one bot. The times that it gives are of the clock that jobs are started by."""

    async def ask(self, chat_id: int, kind: Kind, number: int | None = None) -> datetime | None:
        """Take the permit for a call and return None, or return when to ask again; then nothing is taken.

        Args:
            chat_id: Where the call acts.
            kind: What it does.
            number: Of the message to send: in a chat the lower ones go first.

        Raises:
            StoreUnavailable: nobody can tell now.
        """
        ...

    async def stand_back(self, chat_id: int, number: int, seconds: float) -> datetime:
        """Return when to come with a message that is not sent now, whose place before later ones is kept.

        Raises:
            StoreUnavailable: nobody can tell now.
        """
        ...

    async def settle(self, chat_id: int) -> None:
        """Say that the send that was permitted has been answered; not for one that may still arrive.

        Best said at once: until then, for a few seconds, it counts as on its way.
        """
        ...

    async def flood(self, chat_id: int, retry_after: float) -> datetime:
        """Close the chat for so many seconds, and return when they are over; see `Lanes.flood`."""
        ...

    def overall_hold(self) -> datetime | None:
        """Return when to come again where a glance shows that nothing may be sent now, whatever its chat."""
        ...

    def in_seconds(self, seconds: float) -> datetime:
        """Return the time so far from now."""
        ...

    def seconds_to_permits(self, count: int) -> float:
        """Return 0 while there seem to be `count` permits, else how long there are fewer; takes nothing."""
        ...

    def permits(self) -> int:
        """Return how many permits there seem to be; takes nothing."""
        ...


class MemoryPermits:
    """Permits of the one process that sends for its bot."""

    def __init__(self, lanes: Lanes, clock: Clock) -> None:
        """Ask these lanes with this clock's steady time."""
        self._lanes = lanes
        self._clock = clock

    async def ask(self, chat_id: int, kind: Kind, number: int | None = None) -> datetime | None:
        """Take the permit; see `Permits.ask`."""
        wait = self._lanes.ask(self._clock.monotonic(), chat_id, kind, number)
        return self.in_seconds(wait) if wait > 0 else None

    async def stand_back(self, chat_id: int, number: int, seconds: float) -> datetime:
        """Keep the message's place; see `Permits.stand_back`."""
        self._lanes.stand_back(self._clock.monotonic(), chat_id, number, seconds)
        return self.in_seconds(seconds)

    async def settle(self, chat_id: int) -> None:
        """Note that the send has ended; see `Permits.settle`."""
        self._lanes.settle(self._clock.monotonic(), chat_id)

    async def flood(self, chat_id: int, retry_after: float) -> datetime:
        """Close the chat; see `Permits.flood`."""
        self._lanes.flood(self._clock.monotonic(), chat_id, retry_after)
        return self.in_seconds(retry_after)

    def overall_hold(self) -> datetime | None:
        """Return when it is this asker's turn; see `Permits.overall_hold`."""
        wait = self._lanes.overall_wait(self._clock.monotonic())
        return self.in_seconds(wait) if wait > 0 else None

    def in_seconds(self, seconds: float) -> datetime:
        """Return the time so far from now; see `Permits.in_seconds`."""
        return self._clock.now() + timedelta(seconds=seconds)

    def seconds_to_permits(self, count: int) -> float:
        """Return how long there are fewer permits; see `Permits.seconds_to_permits`."""
        return self._lanes.seconds_to_permits(self._clock.monotonic(), count)

    def permits(self) -> int:
        """Return how many permits there are; see `Permits.permits`."""
        return self._lanes.permits(self._clock.monotonic())


class PermitsByBot:
    """The permits of each bot: Telegram counts each token's calls for itself."""

    def __init__(self, make: Callable[[int], Permits]) -> None:
        """Have a bot's permits made, by its id, when they are first asked for."""
        self._make = make
        self._known: dict[int, Permits] = {}

    def of(self, bot_id: int) -> Permits:
        """Return the permits of one bot."""
        if bot_id not in self._known:
            self._known[bot_id] = self._make(bot_id)
        return self._known[bot_id]

    def forget(self, bot_id: int) -> None:
        """Forget a bot that sends no more."""
        self._known.pop(bot_id, None)

    def seconds_to_permits(self, count: int) -> float:
        """Return 0 while a bot seems to have `count` permits, else how long none has as many."""
        return min((one.seconds_to_permits(count) for one in self._known.values()), default=0.0)

    def permits(self) -> int:
        """Return how many permits the bots seem to have together; one while no bot is known."""
        return sum(one.permits() for one in self._known.values()) if self._known else 1
