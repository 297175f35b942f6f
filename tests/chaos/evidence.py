"""What is seen from outside, during the load and after it: by people, targets, the database, agents."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from chaos.load import CLOCK_AGENT, Load, Wish
from chaos.site import Site
from wireroom.testing.bot_api import Change, Chat

_LOOK_SECONDS = 0.25
_TASKS_DONE = "SELECT prompt FROM tasks WHERE status = 1"
_DEPTH = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
_ATTEMPTS = "SELECT run_id, epoch, state, worker FROM run_attempts ORDER BY run_id, epoch"
_RUNS = "SELECT id, epoch, state, prompt FROM runs"
_SAID = (
    "SELECT run_id, count(*) FROM messages WHERE role = 'assistant' AND run_id IS NOT NULL GROUP BY run_id"
)
_TASK_WINS = "SELECT task_id, count(*) FROM task_attempts WHERE state = 'succeeded' GROUP BY task_id"
_SLOTS = "SELECT slot_at, state, attempts FROM agent_calls WHERE agent_name = %s ORDER BY slot_at"
_CALLS_UNDER_WAY = "SELECT count(*) FROM agent_calls WHERE state IN ('waiting', 'running')"
_DEAD = "SELECT queue_name, args::text FROM procrastinate_jobs WHERE status = 'failed'"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look during the load."""

    at_seconds: float
    asked: int
    answered: int
    depth: int | None
    """Jobs that wait or run; None while the database is away."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of a coding agent's ledger; see `agent_program`."""

    what: str
    run: str
    epoch: int
    pid: int
    at: float
    token: str


@dataclass(frozen=True, slots=True)
class Findings:
    """All that was found when the load was over."""

    wishes: Sequence[Wish]
    answers: Mapping[str, int]
    """By token: in how many messages of a chat an answer was ever shown; how many tasks, or results with
    different keys, there are of the others."""
    gone: Sequence[str]
    """Wishes from a chat whose answer does not stand there any more."""
    strays: Sequence[str]
    """Messages of the bot that are no answer."""
    repeated: int
    """Calls and callbacks that came again under the same key."""
    attempts: Sequence[tuple[str, int, str, str]]
    """run, epoch, state, worker."""
    runs: Sequence[tuple[str, int, str, str]]
    """id, newest epoch, state, prompt."""
    said: Mapping[str, int]
    """By run: answers that its conversation keeps."""
    task_wins: Mapping[int, int]
    """By task: attempts that succeeded."""
    slots: Sequence[tuple[int, str, int]]
    """Of the clock: time in ms, state of its call, tries."""
    slot_calls: Mapping[str, int]
    """By key: how often the clock's target was called."""
    dead: Sequence[tuple[str, str]]
    """Jobs given up: queue, what."""
    notes: Sequence[Note]
    refusals: Sequence[str]


@dataclass(slots=True)
class Watch:
    """Looks at what has been answered, again and again."""

    site: Site
    load: Load
    samples: list[Sample] = field(default_factory=list)
    _calls_under_way: int = 1

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Note which wishes have come true, and how much work waits."""
        depth, done = await asyncio.to_thread(self._ask_database)
        done |= {token for token, _ in _came(self.site)}
        now = self.load.now()
        for wish in self.load.open():
            if wish.token in done or (wish.chat is not None and _is_answered(self.site, wish)):
                wish.done_seconds = now
        answered = len(self.load.wishes) - len(self.load.open())
        self.samples.append(Sample(now, len(self.load.wishes), answered, depth))

    def is_over(self) -> bool:
        """Tell whether nothing that was asked for, or is due by the clock, is left to do."""
        return not self.load.open() and self._calls_under_way == 0

    def _ask_database(self) -> tuple[int | None, set[str]]:
        with contextlib.suppress(psycopg.OperationalError), _open(self.site) as connection:
            row = connection.execute(_DEPTH).fetchone()
            (self._calls_under_way,) = connection.execute(_CALLS_UNDER_WAY).fetchone() or (1,)
            done = {prompt.rpartition(" ")[2] for (prompt,) in connection.execute(_TASKS_DONE)}
            return (row[0] if row else None), done
        return None, set()


def collect(site: Site, load: Load) -> Findings:
    """Return what is found; nothing is judged here, see `chaos.verdict`."""
    keys: dict[str, set[str]] = {}
    came = _came(site)
    for token, key in came:
        keys.setdefault(token, set()).add(key)
    answers = {token: len(found) for token, found in keys.items()}
    answers |= {wish.token: _times_shown(site, wish) for wish in load.wishes if wish.way == "chat"}
    with _open(site) as connection:

        def rows(query: str, *values: Any) -> list[Any]:
            return connection.execute(query.encode(), values).fetchall()

        answers |= Counter(prompt.rpartition(" ")[2] for (prompt,) in rows(_TASKS_DONE))
        clock = Counter(key for path, key in _calls(site) if path.endswith("/clock"))
        return Findings(
            wishes=load.wishes,
            answers=answers,
            gone=[
                wish.token
                for wish in load.wishes
                if wish.chat is not None and wish.done_seconds is not None and not _is_answered(site, wish)
            ],
            strays=_strays(site, load),
            repeated=len(came)
            - sum(len(found) for found in keys.values())
            + sum(clock.values())
            - len(clock),
            attempts=rows(_ATTEMPTS),
            runs=rows(_RUNS),
            said=dict(rows(_SAID)),
            task_wins=dict(rows(_TASK_WINS)),
            slots=rows(_SLOTS, CLOCK_AGENT),
            slot_calls=clock,
            dead=rows(_DEAD),
            notes=read_ledger(site.ledger.read_text()),
            refusals=load.refusals,
        )


def read_ledger(text: str) -> list[Note]:
    """Return the notes of whole lines, oldest first."""
    return [Note(**json.loads(line)) for line in text.split("\n")[:-1]]


def _came(site: Site) -> list[tuple[str, str]]:
    """Return token and key of each call and callback."""
    found = []
    for request in site.target.received:
        if not request.path.endswith("/clock"):
            body = json.loads(request.body)
            token = body.get("token") or body["requestId"]
            found.append((token, request.headers["Idempotency-Key"]))
    return found


def _calls(site: Site) -> list[tuple[str, str]]:
    return [(request.path, request.headers["Idempotency-Key"]) for request in site.target.received]


def _open(site: Site) -> psycopg.Connection[Any]:
    return psycopg.connect(site.database_url, connect_timeout=3, autocommit=True)


def _is_answered(site: Site, wish: Wish) -> bool:
    """Tell whether the answer stands there; progress says more than the token, or has a button to stop."""
    replies = site.telegram.answers_to(wish.message_id, wish.chat)
    return any(reply.text.strip() == wish.token for reply in replies)


def _times_shown(site: Site, wish: Wish) -> int:
    """Return in how many messages of the bot the answer was ever shown, standing or not."""
    assert wish.chat is not None
    return len(
        {
            seen.message_id
            for seen in site.telegram.sightings(wish.chat)
            if seen.sender_id == site.telegram.bot.id
            and seen.change not in {Change.DELETED, Change.DRAFT}
            and seen.text.strip() == wish.token
        }
    )


def _strays(site: Site, load: Load) -> list[str]:
    """Return what stands in the chats and is nobody's answer."""
    wishes = [wish for wish in load.wishes if wish.chat is not None]
    chats: dict[int, Chat] = {wish.chat.id: wish.chat for wish in wishes if wish.chat is not None}
    tokens = {wish.token for wish in wishes}
    return [
        f"{chat.title} {message.id} -> {message.reply_to}: {message.text[:80]}"
        for chat in chats.values()
        for message in site.telegram.visible(chat)
        if message.from_bot and message.text.strip() not in tokens
    ]
