"""The parts of one Telegram bot: the one of the settings, or one of those in the database (`app.fleet`)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from wireroom.api.telegram_admin import WEBHOOK_PATH
from wireroom.app.engine import Engine
from wireroom.clock import Clock
from wireroom.delivery import outbox
from wireroom.delivery.live import LiveSigns
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.intake.polling import CONFLICT_REMEDY, Poller
from wireroom.intake.setup import BotSetup
from wireroom.jobs.port import Handler
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a bot is, and how its updates come."""

    token: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_url: str | None
    """Where Telegram pushes updates; None: they are fetched."""
    conflict_remedy: str = CONFLICT_REMEDY
    """What to tell people when a webhook stands in the way of fetching."""


@dataclass(frozen=True, slots=True)
class Bot:
    """One bot's parts."""

    client: TelegramClient
    setup: BotSetup
    poller: Poller | None
    """None when Telegram pushes updates to the webhook."""
    signs: LiveSigns
    handlers: Mapping[str, Handler]

    @property
    def problems(self) -> list[str]:
        """What is wrong with the bot just now, in plain words."""
        found = (self.setup.problem, self.poller.problem if self.poller else None)
        return [problem for problem in found if problem]


def first_bot(
    settings: Settings, engine: Engine, clock: Clock, session: aiohttp.ClientSession, webhook_secret: str
) -> Bot | None:
    """Return the bot of the settings, None without a token."""
    token = settings.bot_token.get_secret_value()
    if not token:
        return None
    base_url = settings.telegram_webhook_base_url.rstrip("/")
    identity = Identity(token, webhook_secret, base_url + WEBHOOK_PATH if base_url else None)
    return make_bot(identity, settings, engine, clock, session)


def make_bot(
    identity: Identity, settings: Settings, engine: Engine, clock: Clock, session: aiohttp.ClientSession
) -> Bot:
    """Return the parts of a bot."""
    client = TelegramClient(
        identity.token, session, settings.telegram_api_url, local_files=settings.local_files
    )
    permits = engine.permits.of(client.bot_id)
    strays = Strays()
    sender = Sender(
        client=client,
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        permits=permits,
        strays=strays,
        policy=SenderPolicy(max_attempts=settings.delivery_attempts, zone=settings.time_zone),
        draw=random.random,
    )
    return Bot(
        client=client,
        setup=BotSetup(client, webhook_url=identity.webhook_url, webhook_secret=identity.webhook_secret),
        poller=None
        if identity.webhook_url
        else Poller(client, engine.db, engine.jobs, clock, conflict_remedy=identity.conflict_remedy),
        signs=LiveSigns(client, engine.db, engine.jobs, clock, permits, strays),
        handlers={outbox.KIND: sender.handle},
    )
