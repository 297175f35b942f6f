"""An added bot at work in one process: its parts, its own connections, and how it takes its leave."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import structlog

from wireroom.app.bot import Bot
from wireroom.delivery import outbox
from wireroom.intake.bots import StoredBot
from wireroom.jobs.port import Job, Outcome

_log = structlog.get_logger(__name__)
_FAREWELL_SECONDS = 25.0
"""How long a bot that leaves may end the calls that it has begun: longer than a call may take."""


@dataclass(slots=True)
class Member:
    """An added bot at work in this process."""

    stored: StoredBot
    bot: Bot
    session: aiohttp.ClientSession
    naming: asyncio.Task[None] | None = None
    sending: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    broken: str | None = None
    """An error that nobody foresaw."""

    def __post_init__(self) -> None:
        self.idle.set()

    async def send(self, job: Job) -> Outcome:
        """Move a delivery on, and be known to do so."""
        self.sending += 1
        self.idle.clear()
        try:
            return await self.bot.handlers[outbox.KIND](job)
        finally:
            self.sending -= 1
            if not self.sending:
                self.idle.set()

    @property
    def problem(self) -> str | None:
        """What is wrong with it just now, in plain words."""
        return self.broken or next(iter(self.bot.problems), None)

    async def close(self) -> None:
        """Let what is being sent end, then close everything."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self.idle.wait()
        if self.naming is not None:
            self.naming.cancel()
            await asyncio.gather(self.naming, return_exceptions=True)
        await self.bot.signs.close()
        await self.session.close()


async def serve(member: Member) -> None:
    """Introduce the bot and fetch its updates; whatever goes wrong stays its own."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(member.bot.setup.introduce(), name="bot setup")
            if member.bot.poller is not None:
                group.create_task(member.bot.poller.run(), name="polling")
    except Exception as error:  # noqa: BLE001 - the task's top: it may not end the others'
        member.broken = "it broke; the log says why. Pause and resume it to try again."
        _log.error("bot_broke", bot=member.stored.name, exc_info=error)
