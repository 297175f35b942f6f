"""Senders of one bot over one PostgreSQL database, each with an engine of its own; also as a program.

As a program it is one sender: `python sender_fleet.py DATABASE_URL TELEGRAM_URL TOKEN FOLDER`.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from pydantic import SecretStr
from sqlalchemy import Connection

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.delivery import outbox
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.jobs.procrastinate import ProcrastinateJobs
from wireroom.settings import Settings
from wireroom.store.postgres import PostgresDatabase
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.bot_api.calls import Call


@dataclass(frozen=True, slots=True)
class OffClock:
    """The clock of a machine that nobody has set."""

    off: timedelta

    def now(self) -> datetime:
        """Return a wrong time."""
        return SystemClock().now() + self.off

    def monotonic(self) -> float:
        """Return seconds of another origin."""
        return SystemClock().monotonic() + self.off.total_seconds()


@asynccontextmanager
async def sending(
    database: str, telegram: str, token: str, folder: Path, off: timedelta = timedelta()
) -> AsyncIterator[Engine]:
    """Lend an engine that sends what its outbox holds."""
    settings, clock = (
        Settings(database_url=database, bot_token=SecretStr(token), data_dir=folder),
        OffClock(off),
    )
    async with open_engine(settings, clock) as engine, aiohttp.ClientSession() as session:
        sender = Sender(
            client=TelegramClient(token, session, telegram),
            db=engine.db,
            jobs=engine.jobs,
            clock=clock,
            permits=engine.permits.of(settings.bot_id),
            strays=Strays(),
            policy=SenderPolicy(),
            draw=lambda: 0.0,
        )
        task = asyncio.create_task(engine.worker.run({outbox.KIND: sender.handle}))
        try:
            yield engine
        finally:
            await engine.worker.drain(timedelta(seconds=2))
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def fleet(
    database: str, telegram: BotAPIServer, folder: Path, offs: Sequence[timedelta] = (timedelta(),) * 3
) -> AsyncIterator[Sequence[Engine]]:
    """Lend so many senders as there are clocks, in this process."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(sending(database, telegram.url, telegram.token, folder, off))
            for off in offs
        ]


@asynccontextmanager
async def programs(
    database: str, telegram: BotAPIServer, folder: Path, count: int
) -> AsyncIterator[Sequence[subprocess.Popen[bytes]]]:
    """Lend senders that are processes of their own, killed afterwards."""
    arguments = [sys.executable, __file__, database, telegram.url, telegram.token, str(folder)]
    running = [await asyncio.to_thread(subprocess.Popen, arguments, stdin=-3) for _ in range(count)]
    try:
        yield running
    finally:
        for one in running:
            one.kill()
            await asyncio.to_thread(one.wait)


class Outbox:
    """Adds messages to one database, as the rooms do."""

    def __init__(self, database: str, telegram: BotAPIServer) -> None:
        """Open the database; close it afterwards."""
        self.db = PostgresDatabase(database)
        self._jobs = ProcrastinateJobs(SystemClock())
        self._telegram = telegram

    async def add(self, chat: Chat, *bodies: str) -> None:
        """Add messages to a chat, in one transaction."""
        to = Recipient(f"telegram:{chat.id}", self._telegram.bot.id, chat.id)

        def unit(conn: Connection) -> None:
            for body in bodies:
                outbox.send_notice(conn, self._jobs, to, body, now_ms=to_ms(SystemClock().now()))

        await self.db.write(unit)


def refusals(telegram: BotAPIServer) -> list[Call]:
    """Return the calls that the flood rules have refused."""
    return [call for call in telegram.calls if call.outcome.startswith("429")]


async def _run(database: str, telegram: str, token: str, folder: str) -> None:
    async with sending(database, telegram, token, Path(folder)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
