"""Everything that exists only when a Telegram bot is configured."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from wireroom.api.telegram_admin import WEBHOOK_PATH
from wireroom.app.engine import Engine
from wireroom.clock import Clock
from wireroom.delivery import outbox
from wireroom.delivery.live import LiveSigns
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.intake.polling import Poller
from wireroom.intake.setup import BotSetup
from wireroom.jobs.port import Handler
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient


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


def make_bot(
    settings: Settings, engine: Engine, clock: Clock, session: aiohttp.ClientSession, webhook_secret: str
) -> Bot | None:
    """Return the parts of the configured bot, None without a token."""
    token = settings.bot_token.get_secret_value()
    if not token:
        return None
    client = TelegramClient(token, session, settings.telegram_api_url)
    strays = Strays()
    base_url = settings.telegram_webhook_base_url.rstrip("/")
    sender = Sender(
        client=client,
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        permits=engine.permits,
        strays=strays,
        policy=SenderPolicy(max_attempts=settings.delivery_attempts),
        draw=random.random,
    )
    return Bot(
        client=client,
        setup=BotSetup(
            client,
            webhook_url=base_url + WEBHOOK_PATH if base_url else None,
            webhook_secret=webhook_secret,
        ),
        poller=None if base_url else Poller(client, engine.db, engine.jobs, clock),
        signs=LiveSigns(client, engine.db, clock, engine.permits, strays),
        handlers={outbox.KIND: sender.handle},
    )
