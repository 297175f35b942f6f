"""Calls the Bot API for the sender: without a sound in a chat's quiet hours, and counted by how it ended."""

from __future__ import annotations

from typing import Any

from wireroom.delivery.quiet import Hush
from wireroom.perf.metrics import TELEGRAM_CALLS
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError
from wireroom.telegram.methods import Method


class Calls:
    """Calls with one bot's token."""

    def __init__(self, client: TelegramClient, hush: Hush) -> None:
        """Keep the neighbours."""
        self._client = client
        self._hush = hush

    async def __call__(self, request: Method[Any]) -> Any:
        """Return what the call returns; its errors are those of `telegram.errors`."""
        result = "ok"
        request = await self._hush(request, self._client.bot_id)
        try:
            return await self._client.call(request)
        except BotAPIError as error:
            result = type(error).__name__
            raise
        finally:
            TELEGRAM_CALLS.labels(request.api_name, result).inc()
