"""What the cache asks of the levels below memory, and of the news between replicas.

Neither is needed: a level that cannot answer finds nothing and keeps nothing, without raising.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from wireroom.cache.changes import Changed
from wireroom.cache.names import Level


@dataclass(frozen=True, slots=True)
class Address:
    """Which value, and what it depends on."""

    name: str
    key: str
    tags: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """A value below memory."""

    packed: bytes
    """See `packing`."""
    made_at: float
    """Seconds since the epoch, by the clock of whoever made it."""
    ttl: float
    """Seconds from then."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a level has found."""

    stored: Stored | None = None
    ticket: Sequence[str] = ()
    """What the level wants to see again with the value that is computed now."""


NOTHING = Looked()


class Lower(Protocol):
    """A level below memory."""

    level: Level

    async def look(self, where: Address, longest: timedelta) -> Looked:
        """Return what is kept; without a value the caller is the one to compute it, and says how it went.

        Args:
            where: The value.
            longest: How long the caller may have to wait for another replica that computes it already.
        """
        ...

    async def keep(self, where: Address, stored: Stored, ticket: Sequence[str]) -> None:
        """Keep what was computed after the look that gave the ticket."""
        ...

    async def give_up(self, where: Address, ticket: Sequence[str]) -> None:
        """Take note that nothing was computed after the look that gave the ticket."""
        ...

    async def forget(self, changed: Changed) -> bool:
        """Find what depends on the change no more; False when that could not be done and must be repeated."""
        ...
