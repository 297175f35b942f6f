"""Wake-ups between the processes on one PostgreSQL database: a topic has news, look at the rows.

They travel by NOTIFY, gathered for a moment so that a chatty log costs a few of them a second. What gets
lost, for want of a connection, costs a reader the time until its next look and nothing else; who begins to
listen again is told that it may have missed any.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import structlog
from sqlalchemy import Connection, text

from wireroom.errors import StoreUnavailable
from wireroom.store.database import Database
from wireroom.store.own_connection import OwnConnection, own_connection

_NAME = "wireroom wake-ups"
_LISTEN = "LISTEN wireroom_news"
_TELL = text("SELECT pg_notify('wireroom_news', :message)")
_PROBE = "SELECT 1"
MAX_MESSAGE_BYTES = 7900
"""PostgreSQL takes messages of less than 8000 bytes."""
_MOST_TOPICS = 10_000
"""Kept for telling; more are forgotten, and everybody looks by himself."""
_GATHER_SECONDS = 0.02
_PROBE_SECONDS = 2.0
_ANSWER_SECONDS = 2.0
_PAUSE_SECONDS = 0.5
_ORIGIN_BYTES = 8
_log = structlog.get_logger(__name__)


class WakeUps:
    """Tells the other processes which topics have news, and hears the same from them.

    wake_ups = WakeUps(db, url)
    running = asyncio.create_task(wake_ups.run(feed.wake, feed.wake_all))
    wake_ups.tell("run:abc")
    """

    def __init__(self, db: Database, url: str) -> None:
        """Tell through the pool of `db`, and listen on a connection of our own to `url`."""
        self._db = db
        self._url = url
        self._origin = secrets.token_hex(_ORIGIN_BYTES)
        self._topics: dict[str, None] = {}
        self._has_topics = asyncio.Event()

    def tell(self, topic: str) -> None:
        """Have the others woken soon; call it on the event loop, after the commit."""
        if len(self._topics) < _MOST_TOPICS:
            self._topics[topic] = None
        self._has_topics.set()

    async def run(self, wake: Callable[[str], None], wake_all: Callable[[], None]) -> None:
        """Tell and hear until cancelled.

        Args:
            wake: Gets each topic that another process told of.
            wake_all: Called whenever we begin to listen.
        """
        async with asyncio.TaskGroup() as parts:
            parts.create_task(self._tell_for_ever(), name="wake-ups out")
            parts.create_task(self._hear_for_ever(wake, wake_all), name="wake-ups in")

    async def _tell_for_ever(self) -> None:
        while True:
            await self._has_topics.wait()
            self._has_topics.clear()
            topics, self._topics = self._topics, {}
            messages = list(messages_of(self._origin, topics))
            try:
                await self._db.write(partial(_tell, messages))
            except StoreUnavailable as error:
                _log.info("wake_ups_not_told", topics=len(topics), reason=str(error))
            await asyncio.sleep(_GATHER_SECONDS)

    async def _hear_for_ever(self, wake: Callable[[str], None], wake_all: Callable[[], None]) -> None:
        while True:
            try:
                async with own_connection(self._url, _NAME) as connection:
                    await connection.ask(_LISTEN, within=_ANSWER_SECONDS)
                    wake_all()
                    await self._hear(connection, wake)
            except StoreUnavailable as error:
                _log.info("wake_ups_interrupted", reason=str(error))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _hear(self, connection: OwnConnection, wake: Callable[[str], None]) -> None:
        """Wake until the connection is lost; one that is silent is asked whether it lives."""
        while True:
            heard = await connection.hear(_PROBE_SECONDS)
            for topic in topics_of(heard, self._origin):
                wake(topic)
            if not heard:
                await connection.ask(_PROBE, within=_ANSWER_SECONDS)


def _tell(messages: Sequence[str], conn: Connection) -> None:
    for message in messages:
        conn.execute(_TELL, {"message": message})


def messages_of(origin: str, topics: Iterable[str]) -> Iterator[str]:
    """Return the topics as messages that PostgreSQL takes: the sender, then a line each. Pure.

    A topic that is too long for any message is left out.
    """
    lines, size = [origin], len(origin)
    for topic in topics:
        length = len(topic.encode()) + 1
        if len(origin) + length > MAX_MESSAGE_BYTES:
            continue
        if size + length > MAX_MESSAGE_BYTES:
            yield "\n".join(lines)
            lines, size = [origin], len(origin)
        lines.append(topic)
        size += length
    if len(lines) > 1:
        yield "\n".join(lines)


def topics_of(messages: Iterable[str], own: str) -> dict[str, None]:
    """Return the topics of the messages that others have sent, each once, in order. Pure."""
    parts = (message.split("\n") for message in messages)
    return dict.fromkeys(topic for origin, *topics in parts if origin != own for topic in topics)
