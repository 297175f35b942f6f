"""People and programs that give the site work while it fails, and wait for each answer.

Every request is made again until it is taken, by the key that its contract gives; so each is one wish. A wish
has a token, which the answer must contain.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psycopg

from chaos.site import PEOPLE, Site
from cluster import API_SECRET
from wireroom.testing.bot_api import Chat

MOST_OPEN = 60
"""Wishes without an answer at which nobody asks more, so that faults meet every stage and not a backlog."""
CLOCK_SECONDS = 5
CLOCK_AGENT = "clock"
_TRY_SECONDS = 6.0
_PAUSE_SECONDS = 0.3
_RATES = {"chat": 2.0, "call": 1.0, "runner": 0.5, "conversation": 0.25, "task": 0.25, "sql task": 0.25}
"""Wishes a second, by the way in which they come."""


@dataclass(slots=True)
class Wish:
    """Something that was asked for and must happen once."""

    token: str
    way: str
    asked_seconds: float
    """Since the load began: when somebody first tried."""
    chat: Chat | None = None
    message_id: int = 0
    done_seconds: float | None = None


@dataclass(slots=True)
class Load:
    """All wishes, and those who have them."""

    site: Site
    draw: random.Random
    began: float
    pace: float = 1.0
    """Factor of all rates."""
    wishes: list[Wish] = field(default_factory=list)
    tries: int = 0
    """Requests of programs, those made again included."""
    refusals: list[str] = field(default_factory=list)
    """Answers that no program should get."""
    _chats: list[Chat] = field(default_factory=list)
    _client: aiohttp.ClientSession | None = None

    async def run(self, until: asyncio.Event) -> None:
        """Ask until told; return once every request begun was taken."""
        telegram = self.site.telegram
        people = [telegram.user(number, f"P{number}") for number in range(1, PEOPLE + 1)]
        self._chats = [telegram.private_chat(person) for person in people]
        timeout = aiohttp.ClientTimeout(total=_TRY_SECONDS)
        headers = {"X-Webhook-Secret": API_SECRET}
        ways: dict[str, Callable[[Wish], Awaitable[None]]] = {
            "chat": self._say,
            "call": self._have_called,
            "runner": self._have_run,
            "conversation": self._talk,
            "task": self._file,
            "sql task": self._insert,
        }
        async with (
            aiohttp.ClientSession(self.site.cluster.url, headers=headers, timeout=timeout) as self._client,
            asyncio.TaskGroup() as group,
        ):
            await self._operate()
            for way, do in ways.items():
                group.create_task(self._ask_again_and_again(way, do, until), name=way)

    async def stop_clock(self) -> None:
        """End the schedule, so that the calls that it made can be counted."""
        headers = {"X-Webhook-Secret": API_SECRET}
        async with aiohttp.ClientSession(self.site.cluster.url, headers=headers) as self._client:
            await self._until_taken("POST", f"/agents/{CLOCK_AGENT}/pause", None)

    def open(self) -> list[Wish]:
        """Return the wishes that wait for an answer."""
        return [wish for wish in self.wishes if wish.done_seconds is None]

    def now(self) -> float:
        """Return the seconds since the load began."""
        return time.monotonic() - self.began

    async def _ask_again_and_again(
        self, way: str, do: Callable[[Wish], Awaitable[None]], until: asyncio.Event
    ) -> None:
        async with asyncio.TaskGroup() as group:
            while not until.is_set():
                wait = self.draw.expovariate(_RATES[way] * self.pace)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(until.wait(), wait)
                if not until.is_set() and len(self.open()) < MOST_OPEN:
                    wish = Wish(f"tok-{way.replace(' ', '-')}-{len(self.wishes):05d}", way, self.now())
                    self.wishes.append(wish)
                    group.create_task(self._ask(do, wish), name=wish.token)

    async def _ask(self, do: Callable[[Wish], Awaitable[None]], wish: Wish) -> None:
        await do(wish)

    async def _operate(self) -> None:
        """Turn the board's operator on, and set a clock that calls every few seconds."""
        await self._until_taken("PUT", "/api/settings/task_operator", {"value": True})
        clock = {
            "name": CLOCK_AGENT,
            "targetUrl": f"{self.site.target.url}/clock",
            "schedule": f"*/{CLOCK_SECONDS} * * * * *",
            "missed": "all:100",
            "overlap": "queue",
        }
        await self._until_taken("POST", "/agents", clock)

    async def _say(self, wish: Wish) -> None:
        wish.chat = self.draw.choice(self._chats)
        update_id = await self.site.telegram.user_says(wish.chat, self._prompt(wish))
        wish.message_id = self.site.telegram.message_id_of(update_id)

    async def _have_called(self, wish: Wish) -> None:
        body = {
            "name": wish.token,
            "targetUrl": self.site.target.url,
            "oneTime": True,
            "body": {"token": wish.token},
            "idempotencyKey": wish.token,
        }
        await self._until_taken("POST", "/agents", body)

    async def _have_run(self, wish: Wish) -> None:
        await self._until_taken("POST", "/cursor/execute/async", self._run(wish, wish.token))

    async def _talk(self, wish: Wish) -> None:
        """Say one more thing in one of a few conversations, whose runs go one after the other."""
        body = self._run(wish, f"chaos-{self.draw.randint(1, 3)}")
        await self._until_taken("POST", "/cursor/execute/async", body)

    def _run(self, wish: Wish, conversation: str) -> dict[str, str]:
        return {
            "id": wish.token,
            "prompt": self._prompt(wish),
            "callbackUrl": self.site.target.url,
            "conversationId": conversation,
        }

    async def _file(self, wish: Wish) -> None:
        await self._until_taken(
            "POST", "/api/tasks", {"prompt": self._prompt(wish), "idempotencyKey": wish.token}
        )

    async def _insert(self, wish: Wish) -> None:
        """File a task as another program does, in one statement that is made again until it holds."""
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                await asyncio.to_thread(self._insert_once, wish)
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def _insert_once(self, wish: Wish) -> None:
        with psycopg.connect(self.site.database_url, connect_timeout=3) as connection:
            connection.execute(
                "INSERT INTO tasks (prompt, uuid) SELECT %(prompt)s, %(uuid)s"
                " WHERE NOT EXISTS (SELECT 1 FROM tasks WHERE uuid = %(uuid)s)",
                {"prompt": self._prompt(wish), "uuid": wish.token},
            )

    def _prompt(self, wish: Wish) -> str:
        """Ask for the token after some work, the same at each try."""
        work = random.Random(wish.token).uniform(0.05, 1.5)  # noqa: S311 - no secret
        return f"Please work {work:.2f} s and repeat {wish.token}"

    async def _until_taken(self, method: str, path: str, body: Any) -> None:
        """Make the request until it is taken.

        A refusal of the request itself ends it: that is noted.
        """
        assert self._client is not None
        while True:
            self.tries += 1
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
                async with self._client.request(method, path, json=body) as answer:
                    text = await answer.text()
                    if answer.status < 300:
                        return
                    if answer.status < 500 and answer.status != 429:
                        self.refusals.append(f"{method} {path}: {answer.status} {text[:300]}")
                        return
            await asyncio.sleep(_PAUSE_SECONDS)
