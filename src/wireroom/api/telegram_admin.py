"""The admin routes of the bot's webhook: set it, show it, remove it.

Source: contract of telegram-receiver, section 1.3; the differences are in docs/reference/compatibility.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wireroom.errors import BadInput, TelegramError
from wireroom.intake.access import same_secret
from wireroom.intake.polling import ALLOWED_UPDATES
from wireroom.intake.setup import MAX_CONNECTIONS
from wireroom.intake.webhook import FORM, BodyTooLarge, client_of, read_body
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import DeleteWebhook, GetWebhookInfo, SetWebhook

WEBHOOK_PATH = "/telegram/webhook"
_MAX_BODY_BYTES = 1024 * 1024
_NO_BOT = "No bot is configured. Set TELEGRAM_BOT_TOKEN and start Wireroom again."
_TRUE = (True, 1, "1", "true")
_log = structlog.get_logger(__name__)
_Handler = Callable[[Request], Awaitable[Response]]


def webhook_path(bot_id: int) -> str:
    """Return where Telegram pushes the updates of an added bot."""
    return f"{WEBHOOK_PATH}/{bot_id}"


class WebhookAdmin:
    """Manages one bot's webhook."""

    def __init__(
        self, client: TelegramClient | None, *, api_secret: str, webhook_secret: str, base_url: str
    ) -> None:
        """Serve the bot behind `client`; None answers that there is none."""
        self._client = client
        self._api_secret = api_secret
        self._webhook_secret = webhook_secret
        self._base_url = base_url

    def routes(self, receive: _Handler) -> list[Route]:
        """Return the three routes; the last one also gives updates, which come to its path, to `receive`."""
        remove = self._guarded(self.delete_webhook)

        async def receive_or_remove(request: Request) -> Response:
            return await (receive if request.method == "POST" else remove)(request)

        return [
            Route("/telegram/set_webhook", self._guarded(self.set_webhook), methods=["POST"]),
            Route("/telegram/webhook_info", self._guarded(self.webhook_info), methods=["GET"]),
            Route(WEBHOOK_PATH, receive_or_remove, methods=["POST", "DELETE"]),
        ]

    async def set_webhook(self, client: TelegramClient, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Point Telegram at this service: `{url?, secret_token?}`."""
        url = checked_url(str(fields.get("url") or self._base_url.rstrip("/") + WEBHOOK_PATH))
        given = fields.get("secret_token")
        if given is not None and not same_secret(str(given), self._webhook_secret):
            raise BadInput(
                "secret_token is not the secret this service checks, so every update would be refused. "
                "Leave it out, or set TELEGRAM_WEBHOOK_SECRET to it."
            )
        await client.call(
            SetWebhook(
                url=url,
                secret_token=self._webhook_secret,
                allowed_updates=ALLOWED_UPDATES,
                max_connections=MAX_CONNECTIONS,
                drop_pending_updates=fields.get("drop_pending_updates") in _TRUE,
            )
        )
        return {"ok": True, "message": f"Webhook set to {url}", "webhook_info": await _info(client)}

    async def webhook_info(self, client: TelegramClient, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Show what Telegram knows of the webhook."""
        del fields
        return {"ok": True, "webhook_info": await _info(client)}

    async def delete_webhook(self, client: TelegramClient, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Remove the webhook; updates wait at Telegram until they are polled or a webhook is set."""
        del fields
        await client.call(DeleteWebhook())
        return {"ok": True, "message": "Webhook removed"}

    def _guarded(
        self, action: Callable[[TelegramClient, Mapping[str, Any]], Awaitable[dict[str, Any]]]
    ) -> _Handler:
        async def route(request: Request) -> Response:
            try:
                fields = await _fields(request)
                if not self._is_admin(request, fields):
                    _log.warning("admin_unauthorized", client=client_of(request), path=request.url.path)
                    return _refused(401, "Unauthorized: send the secret as X-Admin-Secret.")
                if self._client is None:
                    return _refused(409, _NO_BOT)
                return JSONResponse(await action(self._client, fields))
            except BodyTooLarge:
                return _refused(413, f"At most {_MAX_BODY_BYTES} bytes.")
            except BadInput as error:
                return _refused(400, str(error))
            except TelegramError as error:
                return _refused(500, str(error))

        return route

    def _is_admin(self, request: Request, fields: Mapping[str, Any]) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        offered = (
            request.headers.get("x-admin-secret"),
            bearer.strip() if scheme.lower() == "bearer" else None,
            fields.get("admin_secret"),
        )
        return any(same_secret(value, self._api_secret) for value in offered if isinstance(value, str))


def checked_url(url: str) -> str:
    """Return the URL if Telegram could reach it.

    Raises:
        BadInput: not absolute, or plain http to anything but this machine (a local Bot API server's case).
    """
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadInput(f"url {url!r} is no address: {error}.") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadInput(f"url must be an absolute https address, not {url!r}. Set TELEGRAM_WEBHOOK_BASE_URL.")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise BadInput(f"url must begin with https://, as Telegram demands; {url!r} does not.")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _info(client: TelegramClient) -> dict[str, Any]:
    """Return Telegram's whole reply, as callers know it: `{"ok": true, "result": {...}}`."""
    return {"ok": True, "result": msgspec.to_builtins(await client.call(GetWebhookInfo()))}


async def _fields(request: Request) -> dict[str, Any]:
    body = await read_body(request, _MAX_BODY_BYTES)
    fields: dict[str, Any] = {
        name: value for name, value in request.query_params.items() if name != "admin_secret"
    }
    if not body:
        return fields
    if request.headers.get("content-type", "").lower().startswith(FORM):
        request._body = body  # noqa: SLF001 - the stream is read; this is where Starlette keeps it
        return fields | dict((await request.form()).items())
    try:
        given = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput("The body is not JSON.") from error
    if not isinstance(given, dict):
        raise BadInput("The body must be a JSON object.")
    return fields | given


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"ok": False, "error": message}, status)
