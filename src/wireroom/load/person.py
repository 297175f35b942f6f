"""What all people have in common, as Locust plays them: a stage, a pace, requests; see `people`."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import gevent
from locust import FastHttpUser

from wireroom.load import questions
from wireroom.load.capabilities import WEBHOOK, program_headers
from wireroom.load.recorder import Recorder
from wireroom.load.samples import Plan, Promise

_REPEATS_SECONDS = (0.5, 1.0, 2.0, 4.0)
"""Telegram sends an update again and again; so do we, a few times."""
_AGAIN = frozenset({0, 408, 425, 429})
_SPREAD = (0.5, 1.5)


class Stage:
    """What all people share."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        """Set the stage for a plan."""
        self.plan = plan
        self.recorder = recorder
        self.numbers: Iterator[int] = itertools.count(1)
        self.chats = list(reversed(range(plan.first_chat, plan.first_chat + plan.extent.people)))
        """Free private chats; nobody has two, and nobody shares one."""
        self.over = False
        """No message is begun any more: Locust may end somebody who has just been woken for the next one."""
        self.headers = program_headers(plan.api_secret)
        self.telegram_headers = (
            {"X-Telegram-Bot-Api-Secret-Token": plan.webhook_secret} if plan.webhook_secret else {}
        )

    def new_token(self) -> tuple[int, str]:
        """Return a number that nobody had, and its token."""
        number = next(self.numbers)
        return number, questions.token_of(self.plan.mark, number)


class Person(FastHttpUser):
    """What all people have in common: a pace, and requests that are counted by their names."""

    abstract = True
    stage: ClassVar[Stage]
    usual_seconds: ClassVar[float] = 5.0
    """Between two things that they do, on average."""
    network_timeout = 30.0
    connection_timeout = 10.0
    _next = 0.0

    def on_start(self) -> None:
        """Begin at a moment of their own, or all would act at once."""
        gevent.sleep(random.uniform(0, self.seconds))  # noqa: S311 - chance, not secrecy
        self._next = time.monotonic()

    @property
    def seconds(self) -> float:
        """Between two things that they do in this measurement, on average."""
        return self.usual_seconds / self.stage.plan.pace

    def wait_time(self) -> float:
        """Return how long to wait now: the next time does not depend on how long the last answer took."""
        now = time.monotonic()
        self._next = max(self._next + self.seconds * random.uniform(*_SPREAD), now)  # noqa: S311 - as above
        return self._next - now

    def send(self, path: str, body: Any, name: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Post JSON and return the status, 0 for no answer, and the JSON of the answer if it is some."""
        known = self.stage.headers if headers is None else headers
        with self.client.post(
            path, json=body, headers=known, name=f"POST {name}", catch_response=True
        ) as answer:
            return _judged(answer)

    def look(self, path: str, name: str) -> tuple[int, Any]:
        """Get JSON, likewise."""
        with self.client.get(
            path, headers=self.stage.headers, name=f"GET {name}", catch_response=True
        ) as answer:
            return _judged(answer)


class ChatPerson(Person):
    """Somebody with a private chat."""

    abstract = True
    chat = 0

    def on_start(self) -> None:
        """Take a chat that nobody has."""
        self.chat = self.stage.chats.pop()
        super().on_start()

    def on_stop(self) -> None:
        """Leave the chat to whoever comes next."""
        self.stage.chats.append(self.chat)

    def tell(self, number: int, token: str, said: dict[str, Any], name: str) -> None:
        """Push an update until it is acknowledged, or given up; note what is owed for it."""
        if self.stage.over:
            return
        plan, began, acknowledged = self.stage.plan, time.monotonic(), False
        update = questions.update(
            plan.first_update_id + number, self.chat, questions.message_id_of(number), int(time.time()), said
        )
        try:
            acknowledged = self._push(update, name)
        finally:
            self.stage.recorder.asked.append(Promise(token, began, acknowledged))

    def _push(self, update: dict[str, Any], name: str) -> bool:
        for pause in (*_REPEATS_SECONDS, None):
            status, _ = self.send(WEBHOOK, update, name, self.stage.telegram_headers)
            if status == 200:  # noqa: PLR2004 - HTTP
                return True
            if pause is None or not (status in _AGAIN or status >= 500):  # noqa: PLR2004 - HTTP
                return False
            gevent.sleep(pause)
        return False


def _judged(answer: Any) -> tuple[int, Any]:
    status = int(answer.status_code or 0)
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP
        answer.success()
    else:
        answer.failure(f"status {status}" if status else f"no answer: {type(answer.error).__name__}")
    try:
        return status, answer.json()
    except (ValueError, TypeError, AttributeError):
        return status, None
