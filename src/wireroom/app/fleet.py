"""The bots that this process serves: the one of the settings, and those that people add while it runs.

Every process looks at the table of bots and serves those that are active; the one that leads fetches their
updates and introduces them. Each added bot has connections of its own, so one that hangs takes nobody else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from functools import partial

import aiohttp
import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.telegram_admin import webhook_path
from wireroom.app.bot import Bot, Identity, make_bot
from wireroom.app.engine import Engine
from wireroom.app.fleet_member import Member, serve
from wireroom.clock import Clock
from wireroom.delivery import outbox
from wireroom.delivery.bot_senders import Absence, Hold, SetAside
from wireroom.errors import SettingsError, StoreUnavailable
from wireroom.intake.bots import TOPIC, StoredBot, is_active, list_bots, note_bot, removed_reason
from wireroom.intake.polling import CONFLICT_REMEDY
from wireroom.intake.receipts import Receipts
from wireroom.intake.webhook import Webhook
from wireroom.jobs.port import Handler
from wireroom.perf.metrics import BOT_UP
from wireroom.runs.feed import Feed
from wireroom.sealing import Seal
from wireroom.settings import Settings

_log = structlog.get_logger(__name__)
_LOOK_SECONDS = 2.0
Route = tuple[str, str]
"""Method and path."""


class Fleet:
    """All bots of one process."""

    def __init__(
        self,
        first: Bot | None,
        *,
        settings: Settings,
        engine: Engine,
        clock: Clock,
        feed: Feed,
        seal: Callable[[], Seal],
        open_session: Callable[[], aiohttp.ClientSession],
        works: bool,
    ) -> None:
        """Serve the bot of the settings, if there is one; the others are found by `watch`.

        Args:
            first: The bot of the settings.
            settings: See `settings`.
            engine: Where bots and their messages are.
            clock: Where the time comes from.
            feed: Tells of changes before the next look.
            seal: Opens their secrets.
            open_session: Makes the connections of one bot.
            works: Whether this process sends.
        """
        self.first = first
        self.routes: MutableMapping[Route, Callable[[Request], Awaitable[Response]]] = {}
        """Where Telegram pushes the updates of added bots."""
        self._settings = settings
        self._engine = engine
        self._clock = clock
        self._feed = feed
        self._seal = seal
        self._open_session = open_session
        self._works = works
        self._members: dict[int, Member] = {}
        self._unusable: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._changed = asyncio.Event()
        self._leads = False
        self._looking = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def first_id(self) -> int:
        """The id of the settings' bot, 0 without one."""
        return self._settings.bot_id

    @property
    def is_single(self) -> bool:
        """Whether there is no bot but that of the settings."""
        return not self._members

    def bot(self, bot_id: int) -> Bot | None:
        """Return a bot that is served now."""
        if self.first is not None and bot_id == self.first_id:
            return self.first
        member = self._members.get(bot_id)
        return None if member is None else member.bot

    def senders(self) -> Mapping[int, Handler]:
        """Return what sends for each bot that is served now."""
        others: dict[int, Handler] = {bot_id: member.send for bot_id, member in self._members.items()}
        return others if self.first is None else {self.first_id: self.first.handlers[outbox.KIND], **others}

    def absence(self, conn: Connection, bot_id: int) -> Absence:
        """Return what becomes of the messages of a bot that is not served; see `delivery.bot_senders`."""
        if is_active(conn, bot_id) is not None or not self.first_id:
            # Paused, unknown here as yet, or the one whose token this start was not given.
            return Hold()
        return SetAside(removed_reason(bot_id))

    @property
    def problems(self) -> list[str]:
        """What is wrong with the bots just now, in plain words."""
        first = [] if self.first is None else self.first.problems
        others = ((self._names.get(bot_id, str(bot_id)), why) for bot_id, why in self._troubles().items())
        return [*first, *(f"Bot {name}: {why}" for name, why in others)]

    def _troubles(self) -> dict[int, str]:
        found = {bot_id: why for bot_id, member in self._members.items() if (why := member.problem)}
        return {**self._unusable, **found}

    async def watch(self) -> None:
        """Keep to the table of bots until cancelled."""
        with self._feed.listen(TOPIC) as news:
            while True:
                news.clear()
                await self.look()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await news.wait()
                if news.over:
                    await asyncio.sleep(_LOOK_SECONDS)

    async def close(self) -> None:
        """Have every added bot end what it has begun."""
        for bot_id in tuple(self._members):
            self._leave(bot_id)
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def lead(self) -> None:
        """Fetch the updates of the added bots, and introduce them, until cancelled."""
        self._leads = True
        tasks: dict[int, tuple[Member, asyncio.Task[None]]] = {}
        try:
            while True:
                changed = self._changed
                gone = [
                    bot_id for bot_id, (member, _) in tasks.items() if self._members.get(bot_id) is not member
                ]
                await _end([tasks.pop(bot_id)[1] for bot_id in gone])
                for bot_id, member in self._members.items():
                    if bot_id not in tasks:
                        name = f"bot {member.stored.name}"
                        tasks[bot_id] = member, asyncio.create_task(serve(member), name=name)
                await changed.wait()
        finally:
            self._leads = False
            await _end([task for _, task in tasks.values()])

    async def look(self) -> None:
        """Do once what `watch` does again and again."""
        try:
            async with self._looking:
                await self._look()
        except StoreUnavailable as error:
            _log.warning("bots_not_read", reason=str(error))
        except Exception as error:  # noqa: BLE001 - the task's top: no added bot may end the service
            _log.error("bots_broke", exc_info=error)

    async def _look(self) -> None:
        stored = {bot.bot_id: bot for bot in await self._engine.db.read(list_bots)}
        self._names = {bot_id: bot.name for bot_id, bot in stored.items()}
        self._unusable = {}
        for bot_id, member in tuple(self._members.items()):
            if not _is_same(member.stored, stored.get(bot_id)):
                self._leave(bot_id)
        for bot in stored.values():
            if bot.is_active and bot.bot_id not in self._members:
                self._join(bot)
        await self._note(stored)

    def _join(self, stored: StoredBot) -> None:
        try:
            identity = self._identity(stored)
        except SettingsError as error:
            self._unusable[stored.bot_id] = str(error)
            return
        session = self._open_session()
        bot = make_bot(identity, self._settings, self._engine, self._clock, session)
        member = Member(stored, bot, session)
        if self._works:
            member.naming = asyncio.create_task(bot.setup.learn_name(), name=f"name of bot {stored.name}")
        receipts = Receipts(
            self._engine.db,
            self._engine.jobs,
            self._clock,
            bot_id=stored.bot_id,
            gives_way=self._engine.gives_way,
        )
        hook = Webhook(receipts, bot_id=stored.bot_id, secret=identity.webhook_secret)
        self.routes["POST", webhook_path(stored.bot_id)] = hook.receive
        self._members[stored.bot_id] = member
        self._tell_change()
        _log.info("bot_joined", bot=stored.name, webhook=identity.webhook_url is not None)

    def _identity(self, stored: StoredBot) -> Identity:
        if stored.bot_id == self.first_id:
            raise SettingsError("TELEGRAM_BOT_TOKEN: the settings have this bot, too. Remove one of them.")
        seal = self._seal()
        base_url = self._settings.telegram_webhook_base_url.rstrip("/")
        is_pushed = bool(base_url) and not stored.is_polled
        return Identity(
            stored.opened_token(seal),
            stored.opened_webhook_secret(seal),
            base_url + webhook_path(stored.bot_id) if is_pushed else None,
            f"{CONFLICT_REMEDY} --bot {stored.name}",
        )

    def _leave(self, bot_id: int) -> None:
        member = self._members.pop(bot_id)
        self.routes.pop(("POST", webhook_path(bot_id)), None)
        self._engine.permits.forget(bot_id)
        task = asyncio.create_task(member.close(), name=f"end of bot {member.stored.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
        with suppress(KeyError):
            BOT_UP.remove(member.stored.name)
        self._tell_change()
        _log.info("bot_left", bot=member.stored.name)

    def _tell_change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _note(self, stored: Mapping[int, StoredBot]) -> None:
        """Show how the bots are; the process that leads notes it where everybody can read it."""
        troubles = self._troubles()
        for bot_id, member in self._members.items():
            BOT_UP.labels(member.stored.name).set(0 if bot_id in troubles else 1)
        if not self._leads:
            return
        for bot_id, bot in stored.items():
            known = self._members.get(bot_id)
            username = (known.bot.setup.username if known else "") or bot.username
            problem = troubles.get(bot_id)
            if (username, problem) != (bot.username, bot.problem):
                note = partial(note_bot, bot_id=bot_id, username=username, problem=problem)
                await self._engine.db.write(note)


def _is_same(known: StoredBot, stored: StoredBot | None) -> bool:
    """Tell whether a bot may go on as it is."""
    if stored is None or not stored.is_active:
        return False
    return (known.name, known.token, known.webhook_secret, known.is_polled) == (
        stored.name,
        stored.token,
        stored.webhook_secret,
        stored.is_polled,
    )


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel("the bot is served no more here")
    await asyncio.gather(*tasks, return_exceptions=True)
