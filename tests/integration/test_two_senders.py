"""A delivery whose sender was taken for dead, and came back after another had sent it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Connection, text

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.delivery import outbox
from wireroom.delivery.lanes import LaneRules, Lanes
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.permits import MemoryPermits
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.errors import LeaseLost
from wireroom.jobs.port import Done, Job
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, When
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]
_CLAIM = """
    UPDATE procrastinate_jobs SET status = 'doing' RETURNING id, queue_name, lock, attempts, args->>'ref'
"""


@dataclass(frozen=True, slots=True)
class _Post:
    """An outbox, and what it takes to send from it."""

    telegram: BotAPIServer
    engine: Engine
    session: aiohttp.ClientSession
    chat: Chat

    async def notify(self, body: str) -> Job:
        """Store a message and return the job that sends it, claimed."""
        recipient = Recipient("lane", 123456, self.chat.id, None, None)

        def unit(conn: Connection) -> Job:
            now_ms = to_ms(SystemClock().now())
            outbox.send_notice(conn, self.engine.jobs, recipient, body, now_ms=now_ms)
            job_id, queue, key, attempts, ref = conn.execute(text(_CLAIM)).one()
            return Job(job_id, queue, outbox.KIND, ref, key, 1, attempts + 1)

        return await self.engine.db.write(unit)

    async def take_over(self, job: Job) -> Job:
        """Return the job as the claim of another worker."""
        again = text("UPDATE procrastinate_jobs SET attempts = attempts + 1")
        await self.engine.db.write(lambda conn: conn.execute(again))
        return replace(job, epoch=job.epoch + 1)

    def sender(self) -> Sender:
        """Return a sender, as another process would have."""
        fast = LaneRules(chat_spacing_seconds=0.001, edit_spacing_seconds=0.001, overall_limit=1000)
        return Sender(
            client=TelegramClient(self.telegram.token, self.session, self.telegram.url),
            db=self.engine.db,
            jobs=self.engine.jobs,
            clock=SystemClock(),
            permits=MemoryPermits(Lanes(fast), SystemClock()),
            strays=Strays(),
            policy=SenderPolicy(),
            draw=lambda: 0.0,
        )

    def texts(self) -> list[str]:
        """Return what stands in the chat from the bot, oldest first."""
        return [message.text for message in self.telegram.visible(self.chat) if message.from_bot]


@pytest.fixture
async def post(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[_Post]:
    """Lend an outbox on PostgreSQL."""
    with postgres.database() as url:
        settings = Settings(data_dir=tmp_path, database_url=url)
        async with (
            BotAPIServer() as telegram,
            open_engine(settings, SystemClock()) as engine,
            aiohttp.ClientSession() as session,
        ):
            chat = telegram.private_chat(telegram.user(7, "Ada"))
            yield _Post(telegram, engine, session, chat)


@pytest.mark.parametrize(
    ("method", "when"),
    [
        ("sendMessage", When.BEFORE),
        ("sendMessage", When.AFTER),
        ("editMessageText", When.BEFORE),
        ("editMessageText", When.AFTER),
    ],
)
async def test_sender_that_comes_back_sends_nothing_twice(post: _Post, method: str, when: When) -> None:
    """Wherever it stood still, it is refused by the database, and what it has placed is taken away again."""
    job = await post.notify("The answer.")
    hold = post.telegram.hold(method, when)
    slept = asyncio.create_task(post.sender().handle(job))
    await hold.reached()

    assert await post.sender().handle(await post.take_over(job)) == Done()
    hold.release()
    with pytest.raises(LeaseLost):
        await slept

    assert post.texts() == ["The answer."]
