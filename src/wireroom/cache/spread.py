"""Tells the other replicas what has changed, at once and until it is told; hears what they tell.

What waits is joined: many changes of one moment are one message. A gap in the news, theirs or ours, means
that nobody knows what was missed: then memory is emptied and everything in Redis is given new tokens.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import msgspec
import structlog

from wireroom.cache.changes import Changed
from wireroom.cache.lower import Address
from wireroom.cache.names import NAMES, Source
from wireroom.cache.shared import Redis, SharedLevel

_PAUSE_SECONDS = 0.05
_MOST_WORDS = 1000
_log = structlog.get_logger(__name__)
_MOST_BYTES = 200_000
EVERYTHING = Changed(patterns=frozenset((what.name, "*") for what in NAMES if what.source is Source.ROWS))
"""All that was made from rows."""


class News(Protocol):
    """What this module asks of `wireroom.redis.bus.Bus`."""

    @property
    def is_hearing(self) -> bool:
        """Whether news would reach us now."""
        ...

    async def publish(self, channel: str, message: bytes) -> bool:
        """Tell the other processes; False when it could not be sent, and they are told of a gap later."""
        ...

    def subscribe(
        self, channel: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None]
    ) -> Callable[[], None]:
        """Hear what other processes publish; return what ends it."""
        ...


class Spread:
    """The way between this process's cache and those of the other replicas."""

    def __init__(self, redis: Redis, news: News, installation: str) -> None:
        """Use this Redis and its news; `run` does the work.

        Args:
            redis: See `shared.Redis`.
            news: See `News`.
            installation: The same word in all replicas, and in nobody else: see `installation_of`.
        """
        self.level = SharedLevel(redis, installation, self.is_untold)
        self._news = news
        self._channel = f"cache.{installation}"
        self._untold = Changed()
        self._being_told = Changed()
        self._wake = asyncio.Event()
        self._leave: Callable[[], None] | None = None
        self._decoder = msgspec.msgpack.Decoder(Changed)

    @property
    def is_hearing(self) -> bool:
        """Whether changes of other replicas would reach us now."""
        return self._news.is_hearing

    def is_untold(self, where: Address) -> bool:
        """Tell whether a change that touches the value still waits to be told."""
        return any(
            changed.touches(where.name, where.key, where.tags) for changed in (self._untold, self._being_told)
        )

    @property
    def is_idle(self) -> bool:
        """Whether everything is told."""
        return not self._untold and not self._being_told

    def listen(self, hear: Callable[[Changed], None], forget_all: Callable[[], None]) -> None:
        """Have the other replicas' changes heard, and everything forgotten when one may have been missed."""

        def on_message(message: bytes) -> None:
            try:
                changed = self._decoder.decode(message)
            except msgspec.MsgspecError:
                _log.warning("cache_news_unreadable")
                forget_all()
                return
            hear(changed)

        def on_gap() -> None:
            forget_all()
            self.tell(EVERYTHING)

        self._leave = self._news.subscribe(self._channel, on_message, on_gap)

    def tell(self, changed: Changed) -> None:
        """Have the other replicas told; returns at once."""
        joined = self._untold | changed
        self._untold = joined if joined.size <= _MOST_WORDS else EVERYTHING
        self._wake.set()

    async def run(self) -> None:
        """Tell what waits, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._being_told, self._untold = self._untold, Changed()
            if await self._told(self._being_told):
                self._being_told = Changed()
            else:
                await asyncio.sleep(_PAUSE_SECONDS)
                self.tell(self._being_told)

    def close(self) -> None:
        """Hear nothing more."""
        if self._leave is not None:
            with suppress(ValueError):
                self._leave()
            self._leave = None

    async def _told(self, changed: Changed) -> bool:
        """Write the new tokens, then tell the news: who hears them finds nothing old in Redis."""
        if not await self.level.forget(changed):
            return False
        message = msgspec.msgpack.encode(changed)
        if len(message) > _MOST_BYTES:
            message = msgspec.msgpack.encode(EVERYTHING)
        await self._news.publish(self._channel, message)
        return True


def installation_of(database_url: str) -> str:
    """Return a word for the installation, from where its database is, without who asks. Pure."""
    where = database_url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    return hashlib.sha256(where.encode()).hexdigest()[:12]
