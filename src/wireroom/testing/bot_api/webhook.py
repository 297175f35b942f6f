"""Delivery of updates to the webhook: in order within a chat, again and again until a 2xx.

As the real server does it: at most `max_connections` requests at once, one at a time for each chat,
a failed update holds back its own chat only. The real server gives up after 24 hours; this one never does.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from wireroom.testing.bot_api.updates import Json, UpdateQueue, lane_of


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where updates go."""

    url: str
    secret: str = ""
    max_connections: int = 40


@dataclass(frozen=True, slots=True)
class Redelivery:
    """When an update is sent again: wait = min(cap, interval * 2 ** fails), or what Retry-After says."""

    interval_seconds: float = 0.05
    cap_seconds: float = 1.0
    answer_timeout_seconds: float = 10.0
    """How long the webhook may take to answer."""

    def wait(self, fails: int) -> float:
        """Return the seconds to wait after `fails` earlier failures of the same update, >= 0."""
        return min(self.cap_seconds, self.interval_seconds * 2.0 ** min(fails, 20))


@dataclass(frozen=True, slots=True)
class Answer:
    """How one delivery went."""

    status: int
    """0 when there was no answer."""
    problem: str | None = None
    """What getWebhookInfo says of it; None for a success."""
    retry_after_seconds: float | None = None


class WebhookSender:
    """Owns one task for each chat that has updates under way."""

    def __init__(self, queue: UpdateQueue, redelivery: Redelivery) -> None:
        self.hook: Webhook | None = None
        self.last_error_date: int | None = None
        self.last_error_message: str | None = None
        self._queue = queue
        self._redelivery = redelivery
        self._lanes: dict[str, deque[tuple[int, Json]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(1)
        self._pointing = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Open the outgoing connections' session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._redelivery.answer_timeout_seconds),
        )

    async def close(self) -> None:
        """Stop delivering and close every connection."""
        await self.point_at(None)
        if self._session is not None:
            await self._session.close()

    async def point_at(self, hook: Webhook | None) -> None:
        """Deliver what waits, and all that follows, to another place; None stops deliveries."""
        async with self._pointing:
            self.hook = None  # updates made while the old deliveries end must wait for the new place
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel("the webhook was changed")
            await asyncio.gather(*tasks, return_exceptions=True)
            self._lanes.clear()
            self.hook = hook
            self.last_error_date = self.last_error_message = None
            if hook is not None:
                self._slots = asyncio.Semaphore(hook.max_connections)
                self.take(self._queue.waiting.items())

    def take(self, updates: Iterable[tuple[int, Json]]) -> None:
        """Put waiting updates, given with their tickets, on their way; without a webhook, do nothing."""
        if self.hook is None:
            return
        for ticket, update in updates:
            lane = lane_of(update)
            waiting = self._lanes.get(lane)
            if waiting is None:
                self._lanes[lane] = deque([(ticket, update)])
                self._start(lane, self.hook)
            else:
                waiting.append((ticket, update))

    def _start(self, lane: str, hook: Webhook) -> None:
        task = asyncio.create_task(self._deliver_lane(lane, hook), name=f"bot-api webhook, {lane}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver_lane(self, lane: str, hook: Webhook) -> None:
        waiting = self._lanes[lane]
        fails = 0
        while waiting:
            ticket, update = waiting[0]
            async with self._slots:
                answer = await self.post(update, hook)
            if answer.problem is None:
                waiting.popleft()
                self._queue.waiting.pop(ticket, None)
                fails = 0
                continue
            self.last_error_date = int(time.time())
            self.last_error_message = answer.problem
            pause = answer.retry_after_seconds
            await asyncio.sleep(self._redelivery.wait(fails) if pause is None else pause)
            fails += 1
        del self._lanes[lane]

    async def post(self, update: Json, hook: Webhook) -> Answer:
        """Send one update once."""
        if self._session is None:
            raise RuntimeError("the server is not started; use it with `async with`")
        headers = {"Content-Type": "application/json"}
        if hook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = hook.secret
        try:
            async with self._session.post(
                hook.url, data=msgspec.json.encode(update), headers=headers
            ) as response:
                await response.read()
                return _answer(response)
        except TimeoutError:
            return Answer(0, "Read timeout expired")
        except (aiohttp.ClientError, OSError) as problem:
            return Answer(0, f"Connection failed: {type(problem).__name__}")

    def info(self) -> dict[str, Any]:
        """Return the `WebhookInfo` object."""
        hook = self.hook
        body: dict[str, Any] = {
            "url": hook.url if hook else "",
            "has_custom_certificate": False,
            "pending_update_count": len(self._queue.waiting),
        }
        if hook is not None:
            body |= {"max_connections": hook.max_connections, "ip_address": "127.0.0.1"}
        if self.last_error_date is not None:
            body |= {
                "last_error_date": self.last_error_date,
                "last_error_message": self.last_error_message,
            }
        if self._queue.allowed:
            body["allowed_updates"] = list(self._queue.allowed)
        return body


def _answer(response: aiohttp.ClientResponse) -> Answer:
    if response.ok and response.status < 300:  # noqa: PLR2004  a redirect is a failure to Telegram
        return Answer(response.status)
    after = response.headers.get("Retry-After", "")
    problem = f"Wrong response from the webhook: {response.status} {response.reason}"
    return Answer(response.status, problem, float(after) if after.isdecimal() else None)
