"""What the bot is told at start: its commands, and where to push updates. Repeated until it worked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from wireroom.errors import TelegramError
from wireroom.intake.commands import CommandName
from wireroom.intake.polling import ALLOWED_UPDATES, UNKNOWN_TOKEN
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import Unauthorized
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
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str | None:
        """Why it has not worked yet, in plain words; None while nothing is wrong."""
        return next(iter(self._problems.values()), None)

    async def learn_name(self) -> None:
        """Return once the bot's name is known; every process that handles updates must know it."""
        await self._until_done("name", self._ask_name)

    async def introduce(self) -> None:
        """Return once Telegram knows everything; it may be told again, and by several processes."""
        await self._until_done("setup", self._tell)

    async def _until_done(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        wait = _FIRST_WAIT_SECONDS
        try:
            while not await self._is_done(what, step, wait):
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
        finally:
            self._problems.pop(what, None)

    async def _is_done(self, what: str, step: Callable[[], Awaitable[None]], retry_seconds: float) -> bool:
        try:
            await step()
        except TelegramError as error:
            is_known = not isinstance(error, Unauthorized)
            self._problems[what] = f"Telegram: {error}" if is_known else UNKNOWN_TOKEN
            _log.warning("bot_setup_failed", what=what, reason=str(error), retry_seconds=retry_seconds)
            return False
        return True

    async def _ask_name(self) -> None:
        me = await self._client.call(GetMe())
        self.username = me.username or ""
        _log.info("bot_known", username=self.username)

    async def _tell(self) -> None:
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
        _log.info("bot_ready", webhook=self._webhook_url is not None)
