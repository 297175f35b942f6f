"""`wireroom telegram set-webhook|webhook-info|delete-webhook`: the bot's webhook by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from wireroom.cli.session import open_services, run
from wireroom.errors import SettingsError

if TYPE_CHECKING:
    from wireroom.settings import Settings

cli = typer.Typer(no_args_is_help=True, help="The bot's webhook: set it, look at it, remove it.")


_BOT = typer.Option("", "--bot", help="Name of an added bot; default: the bot of TELEGRAM_BOT_TOKEN.")


@cli.command("set-webhook")
def set_webhook(
    url: str = typer.Option("", help="Default: TELEGRAM_WEBHOOK_BASE_URL with the bot's path."),
    bot: str = _BOT,
) -> None:
    """Have Telegram push updates to this installation."""
    run(_call("set_webhook", {"url": url} if url else {}, bot))


@cli.command("webhook-info")
def webhook_info(bot: str = _BOT) -> None:
    """Show what Telegram knows: address, updates that wait, the last error."""
    run(_call("webhook_info", {}, bot))


@cli.command("delete-webhook")
def delete_webhook(bot: str = _BOT) -> None:
    """Remove the webhook, so that updates can be polled. Nothing that waits is dropped."""
    run(_call("delete_webhook", {}, bot))


async def _call(action: str, fields: Mapping[str, Any], bot: str) -> None:
    import aiohttp  # noqa: PLC0415 - heavy; see cli.main

    from wireroom.api.telegram_admin import WebhookAdmin, webhook_path  # noqa: PLC0415 - as above
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above
    from wireroom.telegram.client import TelegramClient  # noqa: PLC0415 - as above

    settings = load_settings()
    token, secret = await _added(bot) if bot else _of_settings(settings)
    base_url = settings.telegram_webhook_base_url
    admin = WebhookAdmin(None, api_secret="", webhook_secret=secret, base_url=base_url)
    async with aiohttp.ClientSession() as session:
        client = TelegramClient(token, session, settings.telegram_api_url)
        if bot and base_url and action == "set_webhook":
            fields = {"url": base_url.rstrip("/") + webhook_path(client.bot_id), **fields}
        typer.echo(json.dumps(await getattr(admin, action)(client, fields), indent=2))


def _of_settings(settings: Settings) -> tuple[str, str]:
    """Return token and webhook secret of the settings' bot."""
    from wireroom.secret_files import secret_of  # noqa: PLC0415 - heavy; see cli.main

    token = settings.bot_token.get_secret_value()
    if not token:
        raise SettingsError("TELEGRAM_BOT_TOKEN is not set, so there is no bot.")
    secret = settings.telegram_webhook_secret.get_secret_value()
    if not secret and not settings.data_dir.is_dir():
        raise SettingsError(
            f"WIREROOM_DATA_DIR: there is no folder {settings.data_dir.resolve()}, so the webhook's secret is"
            " not known. Run this where Wireroom was started, or set TELEGRAM_WEBHOOK_SECRET."
        )
    return token, secret_of(settings.data_dir, "webhook-secret", secret)


async def _added(name: str) -> tuple[str, str]:
    """Return token and webhook secret of an added bot."""
    from wireroom.intake.bots import get_bot  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.sealing import seal_of  # noqa: PLC0415 - as above

    async with open_services() as services:
        bot = await services.db.read(lambda conn: get_bot(conn, name))
        seal = seal_of(services.settings)()
    return bot.opened_token(seal), bot.opened_webhook_secret(seal)
