"""Questions for permission on both databases: stored before they are asked, answered once, found again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from sqlalchemy import Connection

from contract.job_engines import Engine
from wireroom.backends.protocol import AgentEvent, PermissionAnswer, PermissionQuestion
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation, find_conversation
from wireroom.runs.attempt import Attempt
from wireroom.runs.feed import Feed
from wireroom.runs.permission_rows import open_permissions, permissions_of_run
from wireroom.runs.permission_words import Answer, Taken
from wireroom.runs.permissions import PermissionPolicy, Permissions, answer_question
from wireroom.runs.records import NewRun, begin_attempt, create_run
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)

LIST = PermissionQuestion("execute", "ls", "d" * 64)


class Desk:
    """A run with its agent, which asks, and people, who answer."""

    def __init__(self, engine: Engine, policy: PermissionPolicy) -> None:
        self.db = engine.db
        self.events: list[AgentEvent] = []
        self.clock = SystemClock()
        self._engine = engine
        numbers = count(1)
        self._desk = Permissions(
            db=engine.db,
            jobs=engine.jobs,
            clock=self.clock,
            feed=Feed(),
            policy=policy,
            new_id=lambda prefix: f"{prefix}-{next(numbers)}",
        )

    @property
    def now_ms(self) -> int:
        """Now."""
        return to_ms(self.clock.now())

    async def attempt(self) -> Attempt:
        """Begin the next attempt of the run."""
        begun = await self.db.write(self._begin)
        assert begun is not None
        return begun

    def _begin(self, conn: Connection) -> Attempt | None:
        if find_conversation(conn, "c0") is None:
            begin_conversation(conn, NewConversation("c0", "web", "web:one", "/w"), self.now_ms)
        new = NewRun("r0", "r0", "c0", "web:one", "web", "hello", "demo", "/w")
        create_run(conn, self._engine.jobs, new, self.now_ms)
        return begin_attempt(conn, "r0", worker="w", now_ms=self.now_ms, lease_ms=1000)

    def ask(self, attempt: Attempt, question: PermissionQuestion = LIST) -> asyncio.Task[PermissionAnswer]:
        """Let the agent of an attempt ask."""
        return asyncio.create_task(self._desk.of(attempt, self.events.append).ask(question))

    async def waiting(self, number: int = 1) -> str:
        """Wait until so many questions are open and return the newest one's id."""

        async def enough() -> bool:
            return len(await self.db.read(lambda conn: open_permissions(conn, self.now_ms))) >= number

        await eventually(enough, "it is asked")
        return (await self.db.read(lambda conn: permissions_of_run(conn, "r0")))[0].id

    async def say(self, permission_id: str, answer: Answer, lane: str | None = None) -> Taken:
        """Answer, from another process: nobody is woken."""
        unit = partial(
            answer_question,
            permission_id=permission_id,
            answer=answer,
            by="test",
            now_ms=self.now_ms,
            publish=lambda _: None,
            lane=lane,
        )
        return await self.db.write(unit)


async def test_of_answers_that_meet_one_counts(engine: Engine) -> None:
    """Two people press at once: one is told that it counts, the others that it was answered before."""
    desk = Desk(engine, PermissionPolicy())
    asking = desk.ask(await desk.attempt())
    question = await desk.waiting()
    said = [Answer.ALLOW, Answer.DENY] * 4
    taken = await asyncio.gather(*(desk.say(question, answer) for answer in said))
    assert sorted(taken) == sorted([Taken.TAKEN, *[Taken.ANSWERED] * 7])
    allowed = said[taken.index(Taken.TAKEN)] is Answer.ALLOW
    assert await asking is (PermissionAnswer.ALLOWED if allowed else PermissionAnswer.DENIED)


async def test_answer_taken_elsewhere_is_found(engine: Engine) -> None:
    """An answer that another process stored reaches the agent without a wake-up; only the first counts."""
    desk = Desk(engine, PermissionPolicy())
    asking = desk.ask(await desk.attempt())
    question = await desk.waiting()
    assert await desk.say(question, Answer.ALLOW, lane="elsewhere") is Taken.GONE
    assert await desk.say(question, Answer.ALLOW, lane="web:one") is Taken.TAKEN
    assert await desk.say(question, Answer.DENY) is Taken.ANSWERED
    assert await asyncio.wait_for(asking, 10) is PermissionAnswer.ALLOWED
    assert [event.payload["state"] for event in desk.events] == ["asked", "allowed"]


async def test_answer_to_an_earlier_attempt_counts_once_each(engine: Engine) -> None:
    """After a crash the answer given meanwhile applies; within an attempt, once is once."""
    desk = Desk(engine, PermissionPolicy())
    first = desk.ask(await desk.attempt())
    question = await desk.waiting()
    first.cancel()
    await desk.say(question, Answer.ALLOW)
    again = await desk.attempt()
    attempt = desk._desk.of(again, desk.events.append)
    assert await attempt.ask(LIST) is PermissionAnswer.ALLOWED
    anew = asyncio.create_task(attempt.ask(LIST))
    assert await desk.waiting() != question
    anew.cancel()
    await asyncio.gather(first, anew, return_exceptions=True)


async def test_open_question_of_an_earlier_attempt_is_not_asked_twice(engine: Engine) -> None:
    """An attempt that asks what still waits joins the question."""
    desk = Desk(engine, PermissionPolicy())
    first = desk.ask(await desk.attempt())
    question = await desk.waiting()
    first.cancel()
    second = desk.ask(await desk.attempt())
    await eventually(lambda: len(desk.events) == 2, "it asks again")
    assert await desk.say(question, Answer.DENY) is Taken.TAKEN
    assert await asyncio.wait_for(second, 10) is PermissionAnswer.DENIED
    assert len(await desk.db.read(lambda conn: permissions_of_run(conn, "r0"))) == 1
    await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize(
    ("default", "answer"), [(False, PermissionAnswer.EXPIRED), (True, PermissionAnswer.ALLOWED)]
)
async def test_question_expires_to_the_default(
    engine: Engine, default: bool, answer: PermissionAnswer
) -> None:
    """Nobody answers: the default holds, and an answer afterwards is too late."""
    policy = PermissionPolicy(wait=timedelta(seconds=0.3), allow_by_default=default)
    desk = Desk(engine, policy)
    asking = desk.ask(await desk.attempt())
    question = await desk.waiting()
    assert await asyncio.wait_for(asking, 10) is answer
    assert await desk.say(question, Answer.ALLOW) is Taken.TOO_LATE


async def test_session_answer_is_for_one_tool_of_one_conversation(engine: Engine) -> None:
    """What is allowed for the session is not asked again; another tool is."""
    desk = Desk(engine, PermissionPolicy())
    attempt = await desk.attempt()
    first = desk.ask(attempt)
    await desk.say(await desk.waiting(), Answer.SESSION)
    await asyncio.wait_for(first, 10)
    other = replace(LIST, subject="pwd", digest="e" * 64)
    assert await asyncio.wait_for(desk.ask(attempt, other), 10) is PermissionAnswer.ALLOWED
    fetch = desk.ask(attempt, replace(other, tool="fetch"))
    await desk.waiting()
    fetch.cancel()
    await asyncio.gather(fetch, return_exceptions=True)
