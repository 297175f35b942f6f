"""A message's words go to another run in one commit and once, on both databases."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import Connection

from contract.job_engines import Engine
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.jobs.port import Jobs
from wireroom.runs import endings, joining
from wireroom.runs.attempt import Attempt
from wireroom.runs.busy import BusyMode
from wireroom.runs.events import read_events
from wireroom.runs.joining import Message, collect
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import find_run, last_ended, unfinished_runs
from wireroom.runs.records import NewRun, begin_attempt, create_run
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.database import Database

LANE = "telegram:1:5:0"


class _Chat:
    """A chat's runs, asked and begun one by one."""

    def __init__(self, db: Database, jobs: Jobs) -> None:
        self.db = db
        self._jobs = jobs

    async def ask(
        self, run_id: str, busy: BusyMode | None = None, *, offered_to: str | None = None, place: int = 0
    ) -> None:
        """Store a run that is asked its own id."""
        options = RunOptions(busy=busy, place=place) if busy else None
        new = NewRun(
            run_id,
            f"request-{run_id}",
            "c",
            LANE,
            "telegram",
            run_id,
            "demo",
            "/w",
            options=options,
            joined_run_id=offered_to,
        )
        await self.db.write(lambda conn: create_run(conn, self._jobs, new, 5))

    async def offer(self, run_id: str, to: str) -> None:
        """Offer a message to the run at work."""
        place = await self.db.write(lambda conn: joining.note_offer(conn, to, run_id, run_id, 5))
        assert place is not None
        await self.ask(run_id, BusyMode.STEER, offered_to=to, place=place)

    async def collect(self, head: str, run_id: str) -> int | None:
        """Give a message to the run that collects."""
        message = Message(run_id, f"request-{run_id}", run_id)
        return await self.db.write(lambda conn: collect(conn, head, message, 5))

    async def begin(self, run_id: str) -> Attempt:
        """Begin an attempt."""
        attempt = await self.db.write(
            lambda conn: begin_attempt(conn, run_id, worker="w", now_ms=9, lease_ms=9)
        )
        assert attempt is not None
        return attempt

    async def end(self, attempt: Attempt) -> None:
        """End a run well."""
        verdict = Verdict(RunState.SUCCEEDED, "said", None, 0)
        await self.db.write(
            lambda conn: endings.finish_run(
                conn, self._jobs, attempt.run_id, attempt.epoch, verdict, usage=None, now_ms=12
            )
        )

    async def messages(self, run_id: str) -> list[tuple[int, str, str]]:
        """Return what the run's log tells of messages: number, state, text."""
        events = await self.db.read(lambda conn: read_events(conn, run_id))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return [(e.seq, e.payload["state"], e.payload["text"]) for e in events if e.kind == "message"]

    async def state(self, run_id: str) -> RunState:
        """Return where a run stands."""
        found = await self.db.read(lambda conn: find_run(conn, run_id))
        assert found is not None
        return found.state


@pytest.fixture
async def chat(engine: Engine) -> _Chat:
    """Lend a chat on an empty database of each kind."""

    def begin(conn: Connection) -> None:
        begin_conversation(conn, NewConversation("c", "telegram", LANE, "/w"), 1)

    await engine.db.write(begin)
    return _Chat(engine.db, engine.jobs)


async def test_collected_words_are_asked_once_and_in_order(chat: _Chat) -> None:
    """However its ids sort, each message is asked in its place, at the first attempt and at the next."""
    await chat.ask("head", BusyMode.COLLECT)
    assert [await chat.collect("head", one) for one in ("z", "m", "a")] == [2, 3, 4]
    assert await chat.collect("head", "z") == 4  # the same request once more
    view = await chat.db.read(lambda conn: find_run(conn, "m"))
    assert view is not None
    assert await chat.db.write(lambda conn: joining.reword(conn, view, "middle", 6))
    first = await chat.begin("head")
    assert first.prompt == "head\n\nz\n\nmiddle\n\na"
    assert (await chat.begin("head")).prompt == first.prompt
    assert await chat.state("m") is RunState.JOINED
    assert not await chat.db.write(lambda conn: joining.reword(conn, view, "late", 7))


async def test_run_that_has_begun_collects_no_more(chat: _Chat) -> None:
    """A message that comes too late joins nothing and leaves no trace, so that it is asked by itself."""
    await chat.ask("head", BusyMode.COLLECT)
    await chat.begin("head")
    assert await chat.collect("head", "late") is None
    assert await chat.db.read(lambda conn: find_run(conn, "late")) is None
    assert await chat.messages("head") == []


async def test_taken_words_belong_to_the_run_that_took_them(chat: _Chat) -> None:
    """What the agent has taken is told again after a crash; what it was offered only waits for its turn."""
    await chat.ask("work")
    await chat.begin("work")
    for one in ("taken", "handed", "offered"):
        await chat.offer(one, "work")
    told = await chat.db.read(lambda conn: joining.offers(conn, "work"))
    assert [offer.text for offer in told] == ["taken", "handed", "offered"]
    for offer in told[:2]:
        assert await chat.db.write(partial(_hand, offer.run_id))
    assert await chat.db.write(lambda conn: joining.take(conn, "work", "taken", epoch=1, now_ms=7))
    assert not await chat.db.write(lambda conn: joining.take(conn, "work", "taken", epoch=1, now_ms=8))

    again = await chat.begin("work")  # as after a kill: nobody knows whether it had read the second
    assert (again.prompt, again.taken) == ("work\n\ntaken\n\nhanded", ("handed",))
    assert [await chat.state(one) for one in ("taken", "handed", "offered")] == [
        RunState.JOINED,
        RunState.JOINED,
        RunState.QUEUED,
    ]
    await chat.end(again)
    assert (await chat.begin("offered")).prompt == "offered"
    assert not await chat.db.write(lambda conn: joining.take(conn, "work", "offered", epoch=2, now_ms=15))
    told_of = [(state, text) for _, state, text in await chat.messages("work")]
    assert told_of == [
        *(("offered", one) for one in ("taken", "handed", "offered")),
        ("taken", "taken"),
        ("withdrawn", ""),
        ("taken", "handed"),
    ]


def _hand(run_id: str, conn: Connection) -> bool:
    """Mark an offer as about to be told by the first attempt."""
    return joining.hand(conn, run_id, "work", 1)


async def test_nothing_is_offered_to_a_run_that_has_ended(chat: _Chat) -> None:
    """It is refused in the very commit that would note it, so the message is asked by itself."""
    await chat.ask("work")
    await chat.end(await chat.begin("work"))
    assert await chat.db.write(lambda conn: joining.note_offer(conn, "work", "x", "x", 5)) is None


async def test_joined_runs_are_no_ends_of_their_own(chat: _Chat) -> None:
    """`/retry` and `/diff` mean what an agent did; an interrupting run goes before those that wait."""
    await chat.ask("work")
    await chat.end(await chat.begin("work"))
    await chat.ask("head", BusyMode.COLLECT)
    await chat.collect("head", "joined")
    await chat.ask("urgent", BusyMode.INTERRUPT)
    last = await chat.db.read(lambda conn: last_ended(conn, LANE))
    assert last is not None
    assert last.id == "work"
    waiting = await chat.db.read(lambda conn: unfinished_runs(conn, LANE))
    assert [run.id for run in waiting] == ["urgent", "head"]
