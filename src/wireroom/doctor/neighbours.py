"""Looks at what Wireroom works with: the coding agent's program, Redis, Telegram."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

import aiohttp

from wireroom.backends.registry import any_backend, program_of
from wireroom.doctor.findings import Finding
from wireroom.doctor.plain import without_secrets
from wireroom.errors import SettingsError, TelegramError, WireroomError
from wireroom.redis.opening import open_pool
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import GetMe, GetWebhookInfo
from wireroom.telegram.types import WebhookInfo


def look_at_agent(settings: Settings, environment: Mapping[str, str]) -> Finding:
    """Tell which coding agent serves new runs, and whether its program is there."""
    try:
        backend = any_backend(settings, environment)
    except WireroomError as error:
        return Finding("Coding agent", False, str(error), fatal=True)
    needed = {
        "acp": ("WIREROOM_ACP_COMMAND", settings.acp_command),
        "remote": ("CURSOR_RUNNER_URL", settings.cursor_runner_url),
    }
    variable, value = needed.get(backend.name, ("", "nothing"))
    if not value:
        text = f"{backend.name}, but {variable} is not set"
        return Finding("Coding agent", False, text, fatal=True)
    if backend.name == "remote":
        return Finding("Coding agent", True, f"remote, the runner at {without_secrets(value)}")
    program = program_of(backend.name, settings)
    if program is None:
        text = "demo (works without a model); install claude or cursor-agent for a real one"
        return Finding("Coding agent", True, text)
    found = shutil.which(program, path=environment.get("PATH"))
    if found is None:
        text = f"{program} is not installed or not on the PATH"
        return Finding("Coding agent", False, text, fatal=True)
    return Finding("Coding agent", True, f"{backend.name}, {found}")


async def look_at_redis(settings: Settings) -> Finding:
    """Tell whether Redis answers, where one is set."""
    try:
        pool = open_pool(settings)
    except SettingsError as error:
        return Finding("Redis", False, str(error), fatal=True)
    if pool is None:
        return Finding("Redis", True, "none; one process needs none, set REDIS_URL where several share work")
    try:
        found = await pool.look()
        problem = pool.problem
    finally:
        await pool.close()
    if found:
        return Finding("Redis", True, f"{pool.address.shown} answers")
    mend = "start it, or correct or unset REDIS_URL"
    said = (problem or "it does not answer").rstrip(".")
    return Finding("Redis", False, f"{said}. Wireroom goes on without it", mend=mend)


async def look_at_telegram(settings: Settings) -> list[Finding]:
    """Tell whether the bot's token is good, and whether updates come the way that settings say."""
    token = settings.bot_token.get_secret_value()
    if not token:
        return [Finding("Telegram", True, "no bot; set TELEGRAM_BOT_TOKEN (from @BotFather) to add one")]
    try:
        async with aiohttp.ClientSession() as session:
            client = TelegramClient(token, session, settings.telegram_api_url)
            me = await client.call(GetMe())
            info = await client.call(GetWebhookInfo())
    except SettingsError as error:
        return [Finding("Telegram", False, str(error), fatal=True)]
    except TelegramError as error:
        return [Finding("Telegram", False, f"{error}. Check TELEGRAM_BOT_TOKEN and the network")]
    found = [Finding("Telegram", True, f"bot @{me.username}"), judge_webhook(settings, info)]
    return [*found, *look_at_local_files(settings)]


def look_at_local_files(settings: Settings) -> list[Finding]:
    """Tell whether the folder of a local Bot API server can be read; nothing without one."""
    folder = settings.local_files
    if folder is None:
        return []
    if os.access(folder, os.R_OK | os.X_OK) and folder.is_dir():
        return [Finding("Chat files", True, f"up to 2000 MiB, from {folder}")]
    mend = "mount the folder of `telegram-bot-api --local` there, readable, or unset WIREROOM_TELEGRAM_FILES"
    return [Finding("Chat files", False, f"{folder} is no folder that can be read", mend=mend)]


def judge_webhook(settings: Settings, info: WebhookInfo) -> Finding:
    """Tell whether what Telegram knows of our webhook is what settings say. Pure."""
    base_url = settings.telegram_webhook_base_url
    if base_url and not info.url.startswith(base_url.rstrip("/")):
        text = f"Telegram pushes to {info.url or 'nowhere'}"
        return Finding("Webhook", False, text, mend="run: wireroom telegram set-webhook")
    if not base_url and info.url:
        text = f"is set to {info.url}, so polling gets nothing"
        return Finding("Webhook", False, text, mend="run: wireroom telegram delete-webhook")
    if info.last_error_message:
        return Finding("Webhook", False, f"Telegram's last try failed: {info.last_error_message}")
    return Finding("Webhook", True, info.url or "none; updates are polled")
