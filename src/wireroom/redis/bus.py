"""News between the replicas of one installation: a message reaches whoever listens now, or leaves a gap.

Publish and subscribe keep nothing, so a subscriber must know when it may have missed something: it is told so
each time it begins to listen (the first time, after an outage), and when a sender could not send. What it
believed before is then to be forgotten. A process does not hear itself.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from wireroom.errors import BadInput, RedisUnavailable
from wireroom.perf.metrics import REDIS_NEWS
from wireroom.redis.client import Denied, Late, Lost, close_client, open_listener, translated
from wireroom.redis.keys import NEWS
from wireroom.redis.pool import RedisPool

_ORIGIN_BYTES = 8
_MESSAGE, _GAP = b"m", b"g"
MAX_MESSAGE_BYTES = 256 * 1024
_PAUSE_SECONDS = 0.05
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who listens to a channel. Both are called on the event loop, and must be quick."""

    channel: str
    on_message: Callable[[bytes], None]
    on_gap: Callable[[], None]
    """Something may have been missed: believe nothing that you have kept."""


class Bus:
    """Sends news to the other replicas, and hears theirs.

    bus = Bus(pool)
    bus.subscribe("cache", on_message=forget, on_gap=forget_everything)
    listening = asyncio.create_task(bus.run())     # beside `pool.run()`
    await bus.publish("cache", b"people:7")
    """

    def __init__(self, pool: RedisPool, *, heartbeat_seconds: float = 2.0) -> None:
        """Use the pool to send, and one more connection of its address to listen.

        Args:
            pool: Must run.
            heartbeat_seconds: A silent connection is tried after this long, and given up after as long again.
        """
        self._pool = pool
        self._heartbeat_seconds = heartbeat_seconds
        self._origin = secrets.token_bytes(_ORIGIN_BYTES)
        # Databases share the server's channels.
        self._prefix = f"{pool.address.db}:"
        self._subscriptions: list[Subscription] = []
        self._unsent: set[str] = set()
        self._has_unsent = asyncio.Event()
        self._hearing = asyncio.Event()
        self._attempts = 0

    @property
    def is_hearing(self) -> bool:
        """Whether news would reach us now."""
        return self._hearing.is_set()

    async def wait_hearing(self) -> None:
        """Return once news would reach us; bound it."""
        await self._hearing.wait()

    def subscribe(
        self, channel: str, on_message: Callable[[bytes], None], on_gap: Callable[[], None]
    ) -> Callable[[], None]:
        """Hear what other processes publish; return what ends it.

        Args:
            channel: A word, such as `cache`; everybody hears every channel, and drops what nobody wants.
            on_message: Gets each message, as it was published.
            on_gap: See `Subscription`; called first of all when we begin to listen.
        """
        wanted = Subscription(channel, on_message, on_gap)
        self._subscriptions.append(wanted)
        return lambda: self._subscriptions.remove(wanted)

    async def publish(self, channel: str, message: bytes) -> bool:
        """Tell the other processes; never raises for want of Redis.

        Returns:
            False when it could not be sent: once Redis is back, everybody is told of a gap instead.

        Raises:
            BadInput: the message is longer than 256 KiB.
        """
        if len(message) > MAX_MESSAGE_BYTES:
            raise BadInput(f"A message has at most {MAX_MESSAGE_BYTES} bytes.")
        try:
            await self._send(channel, _MESSAGE + message)
        except RedisUnavailable:
            REDIS_NEWS.labels("lost").inc()
            self._unsent.add(channel)
            self._has_unsent.set()
            return False
        REDIS_NEWS.labels("sent").inc()
        return True

    async def run(self) -> None:
        """Listen, and make up for what could not be sent, until cancelled."""
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._listen_for_ever(), name="redis news in")
            parts.create_task(self._make_up(), name="redis news out")

    async def _listen_for_ever(self) -> None:
        while True:
            await self._pool.wait_up()
            try:
                await self._listen()
            except (Lost, Late, Denied) as error:
                _log.info("redis_news_interrupted", reason=str(error))
            finally:
                self._hearing.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
            # The pool's connections may not have been used meanwhile.
            await self._pool.look()

    async def _listen(self) -> None:
        """Hear news until the connection breaks."""
        client = open_listener(self._pool.address, self._pool.rule, self._attempts)
        self._attempts += 1
        listener = client.pubsub()
        try:
            await self._begin(listener)
            while True:
                await self._hear(listener)
        finally:
            with suppress(Lost, Late, Denied), translated():
                await listener.aclose()
            with suppress(Lost, Late, Denied), translated():
                await close_client(client)

    async def _begin(self, listener: Any) -> None:
        with translated():
            async with asyncio.timeout(self._pool.rule.budget_seconds):
                await listener.psubscribe(self._channel("*"))
                while (await listener.get_message(timeout=self._pool.rule.budget_seconds)) is None:
                    pass
        self._hearing.set()
        # Not before: what is published from here on reaches us, what was before may not have.
        for one in tuple(self._subscriptions):
            self._tell_gap(one)

    async def _hear(self, listener: Any) -> None:
        """Take one message; a connection that stays silent when it is tried is lost."""
        with translated():
            news = await listener.get_message(timeout=self._heartbeat_seconds)
            if news is None:
                await listener.ping()
                news = await listener.get_message(timeout=self._heartbeat_seconds)
        if news is None:
            raise Late("no reply to the heartbeat")
        if news["type"] == "pmessage":
            self._deliver(news["channel"], news["data"])

    def _deliver(self, channel: bytes, data: bytes) -> None:
        """Hand a message on; what we did not write ourselves, in another process, is nobody's."""
        origin, kind = data[:_ORIGIN_BYTES], data[_ORIGIN_BYTES : _ORIGIN_BYTES + 1]
        name = channel.decode(errors="replace").removeprefix(self._channel(""))
        if origin == self._origin or kind not in {_MESSAGE, _GAP}:
            return
        message = data[_ORIGIN_BYTES + 1 :]
        for one in [one for one in self._subscriptions if one.channel == name]:
            if kind == _GAP:
                self._tell_gap(one)
            else:
                REDIS_NEWS.labels("heard").inc()
                _call(one, partial(one.on_message, message))

    async def _make_up(self) -> None:
        """Tell the others of a gap in each channel that we could not send to."""
        while True:
            await self._has_unsent.wait()
            await self._pool.wait_up()
            for channel in sorted(self._unsent):
                try:
                    await self._send(channel, _GAP)
                except RedisUnavailable:
                    await asyncio.sleep(_PAUSE_SECONDS)
                    break
                self._unsent.discard(channel)
            if not self._unsent:
                self._has_unsent.clear()

    async def _send(self, channel: str, body: bytes) -> None:
        await self._pool.publish(self._channel(channel), self._origin + body)

    def _channel(self, name: str) -> str:
        return NEWS.key(self._prefix + name)

    def _tell_gap(self, one: Subscription) -> None:
        REDIS_NEWS.labels("gap").inc()
        _call(one, one.on_gap)


def _call(one: Subscription, what: Callable[[], None]) -> None:
    try:
        what()
    except Exception:  # noqa: BLE001 - logged; one subscriber's error must not deafen the others
        _log.exception("redis_news_handler_failed", channel=one.channel)
