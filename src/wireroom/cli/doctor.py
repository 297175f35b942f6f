"""`wireroom doctor`: says in plain words what is missing, and how to mend it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from wireroom.errors import SettingsError, StoreUnavailable, TelegramError, WireroomError

if TYPE_CHECKING:
    from wireroom.settings import Settings

_SAFE_SQLITE = (3, 51, 3)
_LOW_DISK_BYTES = 512 * 1024 * 1024
_SHORT_SECRET = 16


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    ok: bool
    text: str
    """What was found; for a problem also how to mend it."""
    fatal: bool = False
    """Wireroom cannot work at all until it is mended."""


def doctor(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """Check the installation; exit code 1 when something keeps it from working."""
    from wireroom.cli.logs import set_up_logs  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above

    set_up_logs("error", coloured=True)
    findings = list(_look(load_settings()))
    if as_json:
        typer.echo(json.dumps([{"subject": f.subject, "ok": f.ok, "text": f.text} for f in findings]))
    else:
        for finding in findings:
            mark = "✅" if finding.ok else "❌" if finding.fatal else "⚠️ "
            typer.echo(f"{mark} {finding.subject}: {finding.text}")
    if any(finding.fatal and not finding.ok for finding in findings):
        raise typer.Exit(1)


def _look(settings: Settings) -> Iterator[Finding]:
    yield _sqlite_library()
    yield _data_folder(settings)
    yield _database(settings)
    yield asyncio.run(_redis(settings))
    yield _agent(settings)
    yield from _secrets(settings)
    yield from _mcp_servers(settings)
    yield from asyncio.run(_telegram(settings))
    yield _listening(settings)


def _sqlite_library() -> Finding:
    import pysqlite3  # noqa: PLC0415 - heavy; see cli.main

    version = pysqlite3.sqlite_version
    if pysqlite3.sqlite_version_info >= _SAFE_SQLITE:
        return Finding("SQLite", True, f"library {version}")
    return Finding(
        "SQLite", False, f"library {version} can corrupt a busy file; install pysqlite3 0.6.1 or newer"
    )


def _data_folder(settings: Settings) -> Finding:
    folder = settings.data_dir.resolve()
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if above.is_dir() and os.access(above, os.W_OK):
            return Finding("Data folder", True, f"{folder} will be made at the first start")
        text = f"{folder} cannot be made; set WIREROOM_DATA_DIR to a folder you may write"
        return Finding("Data folder", False, text, fatal=True)
    if not os.access(folder, os.W_OK):
        return Finding("Data folder", False, f"{folder} may not be written; change its owner", fatal=True)
    free = shutil.disk_usage(folder).free
    if free < _LOW_DISK_BYTES:
        return Finding("Data folder", False, f"{folder} has only {free // 2**20} MiB free; make room")
    return Finding("Data folder", True, f"{folder}, {free // 2**30} GiB free")


def _database(settings: Settings) -> Finding:
    from wireroom.store.migrate import HEAD, current_version, sqlite_path  # noqa: PLC0415 - heavy; see cli.main

    shown = settings.url if settings.url.startswith("sqlite") else "PostgreSQL"
    path = sqlite_path(settings.url)
    if path is not None and not path.exists():
        return Finding("Database", True, f"{path.resolve()} will be made at the first start")
    try:
        version = current_version(settings.url)
    except StoreUnavailable as error:
        return Finding("Database", False, str(error), fatal=True)
    if version == HEAD:
        return Finding("Database", True, f"{shown}, schema {version}")
    return Finding("Database", True, f"{shown}, will be brought to schema {HEAD} at the next start")


async def _redis(settings: Settings) -> Finding:
    from wireroom.app.redis import open_redis  # noqa: PLC0415 - heavy; see cli.main

    try:
        redis = open_redis(settings)
    except SettingsError as error:
        return Finding("Redis", False, str(error), fatal=True)
    if redis is None:
        return Finding("Redis", True, "none; one process needs none, set REDIS_URL where several share work")
    pool = redis.pool
    found = await pool.look()
    problem = pool.problem
    await pool.close()
    if found:
        return Finding("Redis", True, f"{pool.address.shown} answers")
    text = f"{problem}. Wireroom goes on without it; start it, or correct or unset REDIS_URL"
    return Finding("Redis", False, text)


def _agent(settings: Settings) -> Finding:
    from wireroom.backends.registry import any_backend, program_of  # noqa: PLC0415 - heavy; see cli.main

    try:
        backend = any_backend(settings, os.environ)
    except WireroomError as error:
        return Finding("Coding agent", False, str(error), fatal=True)
    needed = {
        "acp": ("WIREROOM_ACP_COMMAND", settings.acp_command),
        "remote": ("CURSOR_RUNNER_URL", settings.cursor_runner_url),
    }
    variable, value = needed.get(backend.name, ("", "nothing"))
    if not value:
        return Finding("Coding agent", False, f"{backend.name}, but {variable} is not set", fatal=True)
    if backend.name == "remote":
        return Finding("Coding agent", True, f"remote, the runner at {value}")
    program = program_of(backend.name, settings)
    if program is None:
        text = "demo (works without a model); install claude or cursor-agent for a real one"
        return Finding("Coding agent", True, text)
    found = shutil.which(program)
    if found is None:
        return Finding("Coding agent", False, f"{program} is not installed or not on the PATH", fatal=True)
    return Finding("Coding agent", True, f"{backend.name}, {found}")


def _secrets(settings: Settings) -> Iterator[Finding]:
    named = {
        "WEBHOOK_SECRET": settings.webhook_secret,
        "TELEGRAM_WEBHOOK_SECRET": settings.telegram_webhook_secret,
    }
    for name, secret in named.items():
        if 0 < len(secret.get_secret_value()) < _SHORT_SECRET:
            text = f"{name} can be guessed; unset it (a strong one is made) or make it longer"
            yield Finding("Secrets", False, text)


def _mcp_servers(settings: Settings) -> Iterator[Finding]:
    from wireroom.workspaces.mcp_config import read_servers, visible_references  # noqa: PLC0415 - see cli.main

    if settings.mcp_config is None:
        return
    try:
        seen = visible_references(read_servers(settings.mcp_config.read_text()))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        yield Finding("MCP servers", False, str(error))
        return
    if seen:
        text = (
            f"{', '.join(seen)} of {settings.mcp_config} refer to variables, which everybody on this machine"
            " can see in `ps` while a run works; put secrets into `env` or `headers`"
        )
        yield Finding("MCP servers", False, text)


async def _telegram(settings: Settings) -> list[Finding]:
    import aiohttp  # noqa: PLC0415 - heavy; see cli.main

    from wireroom.telegram.client import TelegramClient  # noqa: PLC0415 - as above
    from wireroom.telegram.methods import GetMe, GetWebhookInfo  # noqa: PLC0415 - as above

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
    findings = [Finding("Telegram", True, f"bot @{me.username}")]
    base_url = settings.telegram_webhook_base_url
    if base_url and not info.url.startswith(base_url.rstrip("/")):
        text = f"Telegram pushes to {info.url or 'nowhere'}; run: wireroom telegram set-webhook"
        findings.append(Finding("Webhook", False, text))
    elif not base_url and info.url:
        text = f"is set to {info.url}, so polling gets nothing; run: wireroom telegram delete-webhook"
        findings.append(Finding("Webhook", False, text))
    elif info.last_error_message:
        findings.append(Finding("Webhook", False, f"Telegram's last try failed: {info.last_error_message}"))
    else:
        findings.append(Finding("Webhook", True, info.url or "none; updates are polled"))
    return findings


def _listening(settings: Settings) -> Finding:
    if settings.host in {"127.0.0.1", "::1", "localhost"}:
        return Finding("Address", True, f"{settings.host}:{settings.port}, this machine only")
    text = f"{settings.host}:{settings.port} can be reached from outside; put TLS in front of it"
    return Finding("Address", False, text)
