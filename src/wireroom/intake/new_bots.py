"""Looks at a bot before it is added: whether it can be meant, and whether Telegram knows its token."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp
import structlog

from wireroom.backends.registry import FURTHER_NAMES, NAMES
from wireroom.errors import BadInput, Conflict, NotFound, SettingsError, TelegramError
from wireroom.intake.bots import NewBot, StoredBot
from wireroom.sealing import Seal
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient, looks_like_token
from wireroom.telegram.errors import Unauthorized
from wireroom.telegram.methods import DeleteWebhook, GetMe, GetWebhookInfo
from wireroom.workspaces.confine import resolve_inside

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """A bot as a person asks for it."""

    name: str
    token: str
    repository: str = ""
    """Name of a folder below the repositories' root; empty: by the usual rule."""
    backend: str = ""
    """Empty: the setting's."""
    is_polled: bool = False


def wanted_bot(wish: Wish, settings: Settings) -> NewBot:
    """Return the bot that is asked for, before Telegram is asked.

    Raises:
        BadInput: it cannot be meant; the message says what can. It never repeats the token.
        Conflict: the settings have this bot.
    """
    name, token, backend = wish.name.strip().lower(), wish.token.strip(), wish.backend.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadInput("A bot's name here has up to 32 letters, digits, - and _, such as `helper`.")
    if not looks_like_token(token):
        raise BadInput("A bot's token looks like 123456:AAE…, as @BotFather gives it.")
    if backend and backend not in (*NAMES, *FURTHER_NAMES):
        raise BadInput(f"There is no coding agent {backend}. Known: {', '.join((*NAMES, *FURTHER_NAMES))}.")
    bot_id = int(token.partition(":")[0])
    if bot_id == settings.bot_id:
        raise Conflict("This is the bot of TELEGRAM_BOT_TOKEN, which is at work already.")
    folder = _folder(wish.repository.strip(), settings)
    return NewBot(bot_id, name, token, "", folder, backend or None, wish.is_polled)


def _folder(repository: str, settings: Settings) -> str | None:
    if not repository:
        return None
    root = settings.repositories_root
    try:
        folder = resolve_inside(root, repository)
    except (BadInput, NotFound) as error:
        raise BadInput(f"There is no repository {repository} in {root}.") from error
    if not folder.is_dir():
        raise BadInput(f"There is no repository {repository} in {root}.")
    return str(folder)


async def introduced(
    new: NewBot, settings: Settings, session: aiohttp.ClientSession
) -> tuple[NewBot, str | None]:
    """Return the bot with the name that Telegram knows it by, and what the person should know.

    Raises:
        BadInput: Telegram does not know the token.
    """
    client = TelegramClient(new.token, session, settings.telegram_api_url)
    try:
        me = await client.call(GetMe())
        info = await client.call(GetWebhookInfo())
    except Unauthorized as error:
        raise BadInput("Telegram does not know this token. Copy all of it from @BotFather.") from error
    except TelegramError as error:
        return new, f"Telegram could not be asked ({error}). The service goes on trying."
    warning = None
    if info.url and (new.is_polled or not settings.telegram_webhook_base_url):
        warning = (
            f"A webhook of this bot leads to {info.url}, so its updates cannot be fetched. Remove it:"
            f" wireroom telegram delete-webhook --bot {new.name}"
        )
    return replace(new, username=me.username or ""), warning


async def take_leave(
    bot: StoredBot, seal: Callable[[], Seal], settings: Settings, session: aiohttp.ClientSession
) -> None:
    """Have Telegram push no more updates of a bot that is to be removed; without success it goes, too."""
    if bot.is_polled or not settings.telegram_webhook_base_url:
        return
    try:
        client = TelegramClient(bot.opened_token(seal()), session, settings.telegram_api_url)
        await client.call(DeleteWebhook())
    except (TelegramError, SettingsError) as error:
        _log.warning("webhook_not_removed", bot=bot.name, reason=str(error))
