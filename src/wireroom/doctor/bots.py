"""Looks at the bots that were added beside that of the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aiohttp
from sqlalchemy.exc import DBAPIError

from wireroom.doctor.findings import Finding
from wireroom.errors import SettingsError, StoreUnavailable, TelegramError
from wireroom.intake.bots import StoredBot, list_bots
from wireroom.sealing import seal_of
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.migrate import HEAD, current_version, sqlite_path
from wireroom.store.sqlite import SqliteDatabase
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import Unauthorized
from wireroom.telegram.methods import GetMe


async def look_at_bots(settings: Settings, db: Database | None = None) -> list[Finding]:
    """Tell of each added bot whether its token can be read and is good; nothing where none was added.

    Args:
        settings: The installation's.
        db: Its open database; None: it is opened to look, and closed.
    """
    try:
        stored = await _stored(settings) if db is None else await db.read(list_bots)
    except (StoreUnavailable, DBAPIError):
        return []  # what is wrong with the database has its own finding
    async with aiohttp.ClientSession() as session:
        looks = (_look_at(bot, settings, session) for bot in stored)
        return list(await asyncio.gather(*looks))


async def _look_at(bot: StoredBot, settings: Settings, session: aiohttp.ClientSession) -> Finding:
    subject = f"Bot {bot.name}"
    if bot.bot_id == settings.bot_id:
        mend = f"run: wireroom bot remove {bot.name}"
        return Finding(subject, False, "is the bot of TELEGRAM_BOT_TOKEN, too", mend=mend)
    if not bot.is_active:
        return Finding(subject, True, f"is paused; wireroom bot resume {bot.name} has it go on")
    try:
        token = bot.opened_token(seal_of(settings)())
        me = await TelegramClient(token, session, settings.telegram_api_url).call(GetMe())
    except SettingsError as error:
        return Finding(subject, False, str(error))
    except Unauthorized:
        mend = (
            f"remove it and add it with the token that @BotFather shows now: wireroom bot remove {bot.name}"
        )
        return Finding(subject, False, "Telegram does not know its token any more", mend=mend)
    except TelegramError as error:
        return Finding(subject, False, f"{error}. Check the network")
    return Finding(subject, True, f"@{me.username}")


async def _stored(settings: Settings) -> Sequence[StoredBot]:
    path = sqlite_path(settings.url)
    if path is not None and not path.exists():
        return []
    if await asyncio.to_thread(current_version, settings.url) != HEAD:
        return []
    db = _open(settings)
    try:
        return await db.read(list_bots)
    finally:
        await db.close()


def _open(settings: Settings) -> Database:
    path = sqlite_path(settings.url)
    if path is not None:
        return SqliteDatabase(path, readers=1)
    from wireroom.store.postgres import PostgresDatabase  # noqa: PLC0415 - an extra of the package

    return PostgresDatabase(settings.url, pool_size=1, max_overflow=0)
