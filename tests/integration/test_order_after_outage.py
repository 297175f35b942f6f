"""What follows in a chat never overtakes what the database, for a moment, did not show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import aiohttp
import pytest
from sqlalchemy import Connection

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.delivery import outbox
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.progress import NoProgress
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Handler
from wireroom.runs import records
from wireroom.runs.agent_call import RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.limits import Limits
from wireroom.runs.options import RunReport
from wireroom.runs.states import RunState
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.settings import Settings
from wireroom.store.database import Database, Unit
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
T = TypeVar("T")
LANE = "web:main"


class _Blinking:
    """A database that refuses the next few reads, as one does that is restarted or has no connection left."""

    dialect = "sqlite"

    def __init__(self, db: Database, refusals: int) -> None:
        self._db = db
        self.refusals = refusals

    async def read(self, unit: Unit[T]) -> T:
        """Read, once it refuses no more."""
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailable("no connection is free")
        return await self._db.read(unit)

    async def write(self, unit: Unit[T]) -> T:
        """Write."""
        return await self._db.write(unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """Pass it on."""
        self._db.on_outside_change(callback)

    async def close(self) -> None:
        """Leave that to the engine."""


@asynccontextmanager
async def _working(engine: Engine, handlers: dict[str, Handler]) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.worker.run(handlers))
    try:
        yield
    finally:
        await engine.worker.drain(timedelta(seconds=1))
        await task


async def test_message_that_could_not_be_read_keeps_its_place(tmp_path: Path) -> None:
    """Of two notices to one chat the database refuses the first for a moment: they come in their order."""
    clock = SystemClock()
    async with (
        BotAPIServer() as telegram,
        open_engine(Settings(data_dir=tmp_path), clock) as engine,
        aiohttp.ClientSession() as session,
    ):
        chat = telegram.private_chat(telegram.user(7, "Ada"))
        to = Recipient("lane", telegram.bot.id, chat.id)
        db = _Blinking(engine.db, refusals=1)
        sender = Sender(
            client=TelegramClient(telegram.token, session, telegram.url),
            db=db,
            jobs=engine.jobs,
            clock=clock,
            permits=engine.permits.of(telegram.bot.id),
            strays=Strays(),
            policy=SenderPolicy(),
            draw=lambda: 0.0,
        )

        def unit(conn: Connection) -> None:
            for body in ("first", "second"):
                outbox.send_notice(conn, engine.jobs, to, body, now_ms=to_ms(clock.now()))

        await engine.db.write(unit)
        async with _working(engine, {outbox.KIND: sender.handle}):
            await eventually(lambda: len(_texts(telegram, chat)) == 2, "both are sent")
        assert db.refusals == 0
        assert _texts(telegram, chat) == ["first", "second"]


def _texts(telegram: BotAPIServer, chat: Chat) -> list[str]:
    shown = telegram.visible(chat)
    return [message.text for message in shown if message.text != "…"]


class _Worked:
    """A driver that only notes which runs it was given."""

    def __init__(self) -> None:
        self.runs: list[str] = []

    async def drive(self, attempt: Attempt, lane: str, line: object) -> RunEnding:
        """Work."""
        del lane, line
        self.runs.append(attempt.run_id)
        return RunEnding(Verdict(RunState.SUCCEEDED, "done", None, 0), RunReport())


async def test_run_that_could_not_be_read_keeps_its_place(tmp_path: Path) -> None:
    """Of two requests of a lane the database refuses the first for a moment: they run in their order."""
    clock, driver = SystemClock(), _Worked()
    async with open_engine(Settings(data_dir=tmp_path), clock) as engine:
        db = _Blinking(engine.db, refusals=1)
        executor = Executor(
            db=db,
            jobs=engine.jobs,
            clock=clock,
            feed=Feed(),
            progress=NoProgress(),
            policy=RunPolicy(Limits()),
            driver=driver,
            worker="w",
        )

        def unit(conn: Connection) -> None:
            begin_conversation(conn, NewConversation("conversation", "web", LANE, str(tmp_path)), 1)
            for name in ("first", "second"):
                asked = records.NewRun(
                    name, name, "conversation", LANE, "web", "x", "scripted", str(tmp_path)
                )
                records.create_run(conn, engine.jobs, asked, to_ms(clock.now()))

        await engine.db.write(unit)
        async with _working(engine, {records.KIND: executor.handle}):
            await eventually(lambda: len(driver.runs) == 2, "both have run")
        assert db.refusals == 0
        assert driver.runs == ["first", "second"]
