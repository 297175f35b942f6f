"""`wireroom telegram set-webhook|webhook-info|delete-webhook`: the bot's webhook by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from wireroom.cli.session import run
from wireroom.errors import SettingsError

cli = typer.Typer(no_args_is_help=True, help="The bot's webhook: set it, look at it, remove it.")


@cli.command("set-webhook")
def set_webhook(
    url: str = typer.Option("", help="Default: TELEGRAM_WEBHOOK_BASE_URL with /telegram/webhook."),
) -> None:
    """Have Telegram push updates to this installation."""
    run(_call("set_webhook", {"url": url} if url else {}))


@cli.command("webhook-info")
def webhook_info() -> None:
    """Show what Telegram knows: address, updates that wait, the last error."""
    run(_call("webhook_info", {}))


@cli.command("delete-webhook")
def delete_webhook() -> None:
    """Remove the webhook, so that updates can be polled. Nothing that waits is dropped."""
    run(_call("delete_webhook", {}))


async def _call(action: str, fields: Mapping[str, Any]) -> None:
    import aiohttp  # noqa: PLC0415 - heavy; see cli.main

    from wireroom.api.telegram_admin import WebhookAdmin  # noqa: PLC0415 - as above
    from wireroom.secret_files import secret_of  # noqa: PLC0415 - as above
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above
    from wireroom.telegram.client import TelegramClient  # noqa: PLC0415 - as above

    settings = load_settings()
    token = settings.bot_token.get_secret_value()
    if not token:
        raise SettingsError("TELEGRAM_BOT_TOKEN is not set, so there is no bot.")
    secret = settings.telegram_webhook_secret.get_secret_value()
    if not secret and not settings.data_dir.is_dir():
        raise SettingsError(
            f"WIREROOM_DATA_DIR: there is no folder {settings.data_dir.resolve()}, so the webhook's secret is"
            " not known. Run this where Wireroom was started, or set TELEGRAM_WEBHOOK_SECRET."
        )
    admin = WebhookAdmin(
        None,
        api_secret="",
        webhook_secret=secret_of(settings.data_dir, "webhook-secret", secret),
        base_url=settings.telegram_webhook_base_url,
    )
    async with aiohttp.ClientSession() as session:
        client = TelegramClient(token, session, settings.telegram_api_url)
        typer.echo(json.dumps(await getattr(admin, action)(client, fields), indent=2))
