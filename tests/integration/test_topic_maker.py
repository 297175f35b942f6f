"""What becomes of a wanted topic when Telegram's answer does not come: against a real database and queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, text

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.chat_settings import read_chat_settings
from wireroom.conversations.topics import TopicKey, note_topic
from wireroom.delivery.outbox import Recipient
from wireroom.intake.topic_maker import TopicMaker
from wireroom.intake.topic_requests import KIND, NewTopic, look_again, want_again, want_topic
from wireroom.intake.update import Place
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, DropAfter, DropBefore, broken, flooded
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
_BOT = 123456
_STATE = "SELECT state FROM topic_requests"
_SHOP = NewTopic("Shop", "shop", "/repositories/shop")


@dataclass(frozen=True, slots=True)
class _Workshop:
    """A maker of topics at work, its database, and a group with topics."""

    telegram: BotAPIServer
    engine: Engine
    forum: Chat

    @property
    def to(self) -> Recipient:
        """Where the topic is asked for."""
        return Recipient(f"telegram:{_BOT}:{self.forum.id}:0", _BOT, self.forum.id, None, 1)

    async def want(self, update_id: int = 1) -> None:
        """Ask for the topic Shop."""
        now_ms = to_ms(SystemClock().now())
        await self.engine.db.write(
            lambda conn: want_topic(
                conn, self.engine.jobs, self.to, _SHOP, update_id=update_id, now_ms=now_ms
            )
        )

    async def hear_of_topics(self) -> None:
        """Note the topics that there are as the bot's, as Telegram's news does."""
        for thread, name in self.forum.topics.items():
            await self.engine.db.write(partial(self._hear, thread, name))

    def _hear(self, thread: int, name: str, conn: Connection) -> None:
        note_topic(conn, TopicKey(_BOT, self.forum.id, thread), 1, name=name, made_by_bot=True)
        look_again(conn, self.engine.jobs, Place(self.forum.id, thread, thread), _BOT, name)

    async def becomes(self, sql: str, wanted: object) -> None:
        """Wait until the first column of the first row is what is wanted."""

        async def is_so() -> bool:
            return bool(await self.value(sql) == wanted)

        await eventually(is_so, f"{sql} gives {wanted}", timeout_seconds=15)

    async def value(self, sql: str) -> Any:
        """Return the first column of the first row."""
        return await self.engine.db.read(lambda conn: conn.execute(text(sql)).scalar())

    async def notices(self) -> list[tuple[int | None, str]]:
        """Return the bot's messages as they wait to be sent: thread and text."""
        rows = await self.engine.db.read(
            lambda conn: conn.execute(text("SELECT thread_id, body FROM deliveries ORDER BY id")).all()
        )
        return [(thread, body) for thread, body in rows]


@pytest.fixture
async def workshop(database_path: Path) -> AsyncIterator[_Workshop]:
    """Lend a maker that waits half a second for news."""
    clock = SystemClock()
    async with (
        BotAPIServer() as telegram,
        open_engine(Settings(data_dir=database_path.parent), clock) as engine,
        aiohttp.ClientSession() as session,
    ):
        client = TelegramClient(telegram.token, session, telegram.url)
        news_within = timedelta(milliseconds=500)
        maker = TopicMaker(
            client=client, db=engine.db, jobs=engine.jobs, clock=clock, news_within=news_within
        )
        task = asyncio.create_task(engine.worker.run({KIND: maker.handle}))
        try:
            yield _Workshop(telegram, engine, telegram.group("Team", forum=True))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_lost_answer_is_settled_by_the_news(workshop: _Workshop) -> None:
    """The call acted and its answer was lost: the news of the topic tells which it is."""
    workshop.telegram.fault(DropAfter(), method="createForumTopic")
    await workshop.want()
    await workshop.want()
    await eventually(lambda: bool(workshop.forum.topics), "the topic is made")
    await workshop.hear_of_topics()
    await workshop.becomes(_STATE, "done")
    [thread] = workshop.forum.topics
    assert [place for place, _ in await workshop.notices()] == [None, thread]
    lane = f"telegram:{_BOT}:{workshop.forum.id}:{thread}"
    chosen = await workshop.engine.db.read(lambda conn: read_chat_settings(conn, lane))
    assert (chosen.repository, chosen.folder) == ("shop", "/repositories/shop")
    assert len(workshop.telegram.calls_of("createForumTopic")) == 1


async def test_without_news_a_person_decides(workshop: _Workshop) -> None:
    """Nobody knows whether it was made: a button has it made again, once, and only in its own chat."""
    workshop.telegram.fault(DropBefore(), method="createForumTopic")
    await workshop.want()
    await workshop.becomes(_STATE, "unsure")
    [(_, told)] = await workshop.notices()
    assert "cut off before its answer came" in told
    assert "w:topic:1" in await workshop.value("SELECT buttons FROM deliveries")
    jobs, elsewhere = workshop.engine.jobs, Recipient("telegram:1:2:0", _BOT, 2)
    assert not await workshop.engine.db.write(lambda conn: want_again(conn, jobs, 1, elsewhere))
    pressed = [
        await workshop.engine.db.write(lambda conn: want_again(conn, jobs, 1, workshop.to)) for _ in range(2)
    ]
    assert pressed == [True, False]
    await workshop.becomes(_STATE, "done")
    assert len(workshop.forum.topics) == 1


async def test_late_news_settles_what_was_unsure(workshop: _Workshop) -> None:
    """News that comes after the question: the topic is taken for the one that was wanted."""
    workshop.telegram.fault(DropAfter(), method="createForumTopic")
    await workshop.want()
    await workshop.becomes(_STATE, "unsure")
    await workshop.hear_of_topics()
    await workshop.becomes(_STATE, "done")
    assert len(workshop.forum.topics) == 1


async def test_flood_and_outage_are_waited_out(workshop: _Workshop) -> None:
    """What certainly did not happen is asked again."""
    workshop.telegram.fault(flooded(1), method="createForumTopic")
    await workshop.want()
    await workshop.becomes(_STATE, "done")
    workshop.telegram.fault(broken(), method="createForumTopic")
    await workshop.want(update_id=2)
    await workshop.becomes("SELECT state FROM topic_requests WHERE update_id = 2", "done")
    assert list(workshop.forum.topics.values()) == ["Shop", "Shop"]
