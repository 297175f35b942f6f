"""What the bot is told at start: its commands, and where to push updates. Repeated until it worked."""

from __future__ import annotations

import asyncio

import structlog

from wireroom.errors import TelegramError
from wireroom.intake.commands import CommandName
from wireroom.intake.polling import ALLOWED_UPDATES
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import GetMe, SetMyCommands, SetWebhook
from wireroom.telegram.types import BotCommand

MAX_CONNECTIONS = 40
"""How many updates Telegram may push at once, of the 100 it allows."""

_log = structlog.get_logger(__name__)
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0


class BotSetup:
    """Introduces this installation to Telegram."""

    def __init__(self, client: TelegramClient, *, webhook_url: str | None, webhook_secret: str) -> None:
        """Set the webhook to `webhook_url`; None leaves it as it is, for polling."""
        self._client = client
        self._webhook_url = webhook_url
        self._webhook_secret = webhook_secret
        self.username = ""
        """The bot's name without the @, once known."""
        self.problem: str | None = None
        """Why it has not worked yet, in plain words."""

    async def run(self) -> None:
        """Return once Telegram knows everything."""
        wait = _FIRST_WAIT_SECONDS
        while True:
            try:
                await self._introduce()
            except TelegramError as error:
                self.problem = f"Telegram: {error}"
                _log.warning("bot_setup_failed", reason=str(error), retry_seconds=wait)
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
            else:
                self.problem = None
                return

    async def _introduce(self) -> None:
        me = await self._client.call(GetMe())
        self.username = me.username or ""
        if self._webhook_url is not None:
            await self._client.call(
                SetWebhook(
                    url=self._webhook_url,
                    secret_token=self._webhook_secret,
                    allowed_updates=ALLOWED_UPDATES,
                    max_connections=MAX_CONNECTIONS,
                )
            )
        commands = tuple(
            BotCommand(name.value, name.summary.replace("`", ""))
            for name in CommandName
            if name is not CommandName.PAIR
        )
        await self._client.call(SetMyCommands(commands=commands))
        _log.info("bot_ready", username=self.username, webhook=self._webhook_url is not None)
