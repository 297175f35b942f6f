"""One name's values in the levels below memory, the fastest first: looked for, promoted, kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from wireroom.cache import packing
from wireroom.cache.figures import NameFigures
from wireroom.cache.lower import Address, Lower, Stored
from wireroom.cache.names import Level

T = TypeVar("T")
Tickets = Sequence[Sequence[str]]
_LONGEST_TURN = timedelta(seconds=1)
"""How long a caller waits for another replica that computes the same; then it computes, too."""
_LARGE_BYTES = 64 * 1024
"""To compress more takes long enough to be felt on the event loop."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """A value as read from below memory."""

    value: T
    age: float
    """Seconds."""
    ttl: float
    """Seconds it was given when it was made."""
    bytes: int
    """Unpacked."""


class Below(Generic[T]):
    """The lower levels of one name."""

    def __init__(self, type_: Any, levels: Sequence[Lower], figures: NameFigures) -> None:
        """Keep values of that type in these levels."""
        self.levels = levels
        self._figures = figures
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(type_)

    async def look(
        self, where: Address, serves: Callable[[Found[T]], Awaitable[bool]]
    ) -> tuple[Found[T] | None, Tickets]:
        """Return the first value that serves, put into the levels above it, and what the levels want back."""
        tickets: list[Sequence[str]] = []
        for level in self.levels:
            looked = await level.look(where, _LONGEST_TURN)
            stored = looked.stored
            found = None if stored is None else await self._read(stored, level.level)
            if stored is not None and found is not None and await serves(found):
                self._figures.hit_below(level.level, found.age)
                await self._promote(where, stored, tickets)
                return found, tickets
            self._figures.missed(level.level)
            tickets.append(looked.ticket)
        return None, tickets

    async def keep(
        self, where: Address, encoded: bytes, made_at: float, seconds: float, tickets: Tickets
    ) -> None:
        """Keep what was computed after the look that gave the tickets, begun at that time since the epoch."""
        pack = packing.pack
        packed = await asyncio.to_thread(pack, encoded) if len(encoded) > _LARGE_BYTES else pack(encoded)
        for level, ticket in zip(self.levels, tickets, strict=True):
            await level.keep(where, Stored(packed, made_at, seconds), ticket)

    async def give_up(self, where: Address, tickets: Tickets) -> None:
        """Let another compute: nothing is kept after the look that gave the tickets."""
        for level, ticket in zip(self.levels, tickets, strict=False):
            await level.give_up(where, ticket)

    async def _promote(self, where: Address, stored: Stored, tickets: Tickets) -> None:
        for level, ticket in zip(self.levels, tickets, strict=False):
            await level.keep(where, stored, ticket)
            self._figures.promoted(level.level)

    async def _read(self, stored: Stored, level: Level) -> Found[T] | None:
        """Return what is stored, None when it is over or cannot be read."""
        age = max(0.0, time.time() - stored.made_at)
        if age >= stored.ttl:
            return None
        try:
            large = len(stored.packed) > _LARGE_BYTES
            unpack = packing.unpack
            encoded = await asyncio.to_thread(unpack, stored.packed) if large else unpack(stored.packed)
            value = packing.decode(encoded, self._decoder)
        except packing.Damaged as error:
            _log.warning("cache_entry_unreadable", level=level, reason=str(error))
            return None
        return Found(value, age, stored.ttl, len(encoded))
