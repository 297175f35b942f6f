"""How the bot takes its updates: getUpdates and the webhook methods, never both at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from wireroom.testing.bot_api.errors import bad_request, conflict
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.updates import Json, UpdateQueue
from wireroom.testing.bot_api.webhook import Redelivery, Webhook, WebhookSender

_MAX_BATCH = 100
_MAX_POLL_SECONDS = 50
_MAX_CONNECTIONS = 100
_DEFAULT_CONNECTIONS = 40
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")

FEED_METHODS = ("getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo")


class UpdateFeed:
    """Holds what waits for the bot and hands it over in the way the bot asked for."""

    def __init__(self, redelivery: Redelivery) -> None:
        self.queue = UpdateQueue()
        self.hides: Callable[[Json], bool] = lambda _: False
        """Which messages the bot is not told of, because of its privacy mode."""
        self.sender = WebhookSender(self.queue, redelivery)
        self._poll: asyncio.Future[str | None] | None = None

    async def open(self) -> None:
        """Get ready to deliver."""
        await self.sender.open()

    async def close(self) -> None:
        """End the waiting getUpdates and every delivery."""
        self._end_poll(None)
        await self.sender.close()

    def add(self, kind: str, payload: Json) -> int:
        """Make an update, put it on its way and return its update id."""
        hidden = kind in {"message", "edited_message"} and self.hides(payload)
        update_id, ticket = self.queue.make(kind, payload, hidden=hidden)
        if ticket is not None:
            self._announce(ticket)
        return update_id

    async def push(self, update: Json, times: int, *, at_once: bool) -> list[int]:
        """Hand over a raw update several times.

        Returns:
            The status of each POST to the webhook, 0 for no answer; empty when there is no webhook, in
            which case the update waits for getUpdates as many times.
        """
        update = {"update_id": self.queue.next_update_id(), **update}
        hook = self.sender.hook
        if hook is None:
            for _ in range(times):
                self._announce(self.queue.put(update))
            return []
        if at_once:
            answers = await asyncio.gather(*(self.sender.post(update, hook) for _ in range(times)))
        else:
            answers = [await self.sender.post(update, hook) for _ in range(times)]
        return [answer.status for answer in answers]

    def _announce(self, ticket: int) -> None:
        self.sender.take([(ticket, self.queue.waiting[ticket])])
        self._end_poll(None)

    def _end_poll(self, reason: str | None) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(reason)

    async def act(self, method: str, params: Params) -> tuple[Any, str | None]:
        """Do one of `FEED_METHODS`; return its result and the envelope's description.

        Raises:
            ApiRefusal: 409 for polling beside a webhook or another poll; 400 for a bad parameter.
        """
        if method == "getUpdates":
            return await self._get_updates(params), None
        if method == "setWebhook" and params.text("url"):
            return True, await self._set_webhook(params)
        if method == "getWebhookInfo":
            return self.sender.info(), None
        return True, await self._delete_webhook(params)

    async def _get_updates(self, params: Params) -> list[Json]:
        if self.sender.hook is not None:
            raise conflict(
                "can't use getUpdates method while webhook is active;"
                " use deleteWebhook to delete the webhook first"
            )
        self._end_poll(
            "terminated by other getUpdates request; make sure that only one bot instance is running"
        )
        if params.has("allowed_updates"):
            self.queue.allow(params.array("allowed_updates"))
        self.queue.confirm(params.integer("offset"))
        limit = min(max(params.integer("limit", _MAX_BATCH), 1), _MAX_BATCH)
        wait_seconds = min(max(params.integer("timeout"), 0), _MAX_POLL_SECONDS)
        if not self.queue.waiting and wait_seconds:
            await self._wait_for_update(wait_seconds)
        return self.queue.batch(limit)

    async def _wait_for_update(self, seconds: float) -> None:
        mine: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._poll = mine
        try:
            async with asyncio.timeout(seconds):
                reason = await mine
        except TimeoutError:
            return
        if reason is not None:
            raise conflict(reason)

    async def _set_webhook(self, params: Params) -> str:
        url, secret = params.text("url"), params.text("secret_token")
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if _SECRET.fullmatch(secret) is None:
            raise bad_request("bad webhook: secret token contains unallowed characters")
        wanted = params.integer("max_connections") or _DEFAULT_CONNECTIONS
        hook = Webhook(url, secret, min(max(wanted, 1), _MAX_CONNECTIONS))
        if params.has("allowed_updates"):
            self.queue.allow(params.array("allowed_updates"))
        await self._drop_if_asked(params)
        if hook == self.sender.hook:
            return "Webhook is already set"
        self._end_poll("terminated by setWebhook request")
        await self.sender.point_at(hook)
        return "Webhook was set"

    async def _delete_webhook(self, params: Params) -> str:
        await self._drop_if_asked(params)
        if self.sender.hook is None:
            return "Webhook is already deleted"
        await self.sender.point_at(None)
        return "Webhook was deleted"

    async def _drop_if_asked(self, params: Params) -> None:
        if params.flag("drop_pending_updates"):
            self.queue.waiting.clear()
            await self.sender.point_at(self.sender.hook)
