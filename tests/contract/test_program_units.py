"""The units behind the older runner's routes, on each database."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, select

from contract.job_engines import Engine
from wireroom.conversations.agent import (
    AgentMessage,
    AgentOrder,
    agent_messages_of,
    append_agent_message,
    count_agent_conversations,
    create_agent_conversation,
    find_agent_conversation,
    page_of_agent_conversations,
)
from wireroom.conversations.listing import count_all_conversations, page_of_conversations
from wireroom.conversations.threads import NewConversation, append_message, begin_conversation
from wireroom.conversations.transcript import Transcript, read_transcript
from wireroom.errors import Conflict, NotFound
from wireroom.intake.ask import Asker
from wireroom.intake.program_requests import (
    Accepted,
    ProgramIntake,
    ProgramRequest,
    QueueFull,
    count_running,
    count_waiting,
)
from wireroom.runs.endings import end_without_agent
from wireroom.runs.feed import Feed
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import find_run
from wireroom.runs.records import begin_attempt
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.schema import callbacks

pytestmark = pytest.mark.timeout(60)

LIMIT = 3


@pytest.fixture
def intake(engine: Engine) -> ProgramIntake:
    """Return the way in of programs, with room for three that wait."""
    numbers = itertools.count(1)
    feed = Feed()
    asker = Asker(
        engine.jobs,
        feed,
        backend="demo",
        workdir=lambda name: f"/scratch/{name}",
        new_id=lambda prefix: f"{prefix}-{next(numbers)}",
    )
    return ProgramIntake(engine.jobs, feed, asker, queue_limit=LIMIT)


WANTED = ProgramRequest("req-1", "say x")


async def accept(engine: Engine, intake: ProgramIntake, wanted: ProgramRequest) -> Accepted | QueueFull:
    """Store the request."""
    return await engine.db.write(lambda conn: intake.accept(conn, wanted, 5))


async def test_requests_of_one_id_that_meet_are_one_run(engine: Engine, intake: ProgramIntake) -> None:
    """Eight at once: one run, one conversation, and the others learn its name."""
    found = await asyncio.gather(*(accept(engine, intake, WANTED) for _ in range(8)))
    assert all(isinstance(one, Accepted) for one in found)
    assert len({one.run_id for one in found if isinstance(one, Accepted)}) == 1
    assert sum(one.created for one in found if isinstance(one, Accepted)) == 1
    assert await engine.db.read(count_waiting) == 1


async def test_id_of_another_request_is_a_conflict(engine: Engine, intake: ProgramIntake) -> None:
    """Whatever else is wanted under a known id is refused, and the refusal names it."""
    await accept(engine, intake, WANTED)
    others = {
        "prompt": replace(WANTED, prompt="say y"),
        "mode": replace(WANTED, mode=RunMode.ITERATE),
        "backend": replace(WANTED, backend="codex"),
        "conversationId": replace(WANTED, conversation_id="elsewhere"),
        "repository": replace(WANTED, options=RunOptions(repository="shop")),
        "worktree": replace(WANTED, options=RunOptions(worktree=True)),
    }
    for name, other in others.items():
        with pytest.raises(Conflict, match=rf"req-1 .*another {name}"):
            await accept(engine, intake, other)


async def test_repetition_may_name_what_the_run_has(engine: Engine, intake: ProgramIntake) -> None:
    """The conversation and the coding agent that the run was given are no other ones."""
    first = await accept(engine, intake, WANTED)
    assert isinstance(first, Accepted)
    named = replace(WANTED, backend="demo", conversation_id=first.conversation_id)
    assert await accept(engine, intake, named) == replace(first, created=False)


CALLED_BACK = replace(WANTED, callback_url="https://example.com/callback?secret=s")


async def callbacks_of(engine: Engine, run_id: str) -> list[tuple[str, str]]:
    """Return state and address of the run's callbacks."""
    query = select(callbacks.c.state, callbacks.c.url).where(callbacks.c.run_id == run_id)
    found = await engine.db.read(lambda conn: conn.execute(query.order_by(callbacks.c.id)).all())
    return [(row.state, row.url) for row in found]


async def test_known_run_is_promised_a_callback_once_for_each_address(
    engine: Engine, intake: ProgramIntake
) -> None:
    """Asked for without a callback, then with one, twice and at once, then to another address."""
    first = await accept(engine, intake, WANTED)
    assert isinstance(first, Accepted)
    await asyncio.gather(*(accept(engine, intake, CALLED_BACK) for _ in range(4)))
    assert await callbacks_of(engine, first.run_id) == [("waiting", "https://example.com/callback")]
    await accept(engine, intake, replace(WANTED, callback_url="https://example.com/other"))
    assert [url for _, url in await callbacks_of(engine, first.run_id)] == [
        "https://example.com/callback",
        "https://example.com/other",
    ]


async def test_ended_run_calls_back_at_once(engine: Engine, intake: ProgramIntake) -> None:
    """A callback that is asked for after the end has its result and its job."""
    stored = await engine.db.write(lambda conn: intake.reject(conn, WANTED, "no such thing", 5))
    await accept(engine, intake, CALLED_BACK)
    assert [state for state, _ in await callbacks_of(engine, stored.run_id)] == ["pending"]
    query = select(callbacks.c.payload, callbacks.c.id).where(callbacks.c.run_id == stored.run_id)
    row = await engine.db.read(lambda conn: conn.execute(query).one())
    assert "no such thing" in row.payload
    assert await engine.db.read(lambda conn: engine.jobs.is_pending(conn, kind="callback", ref=str(row.id)))


@pytest.mark.parametrize("promise_first", [True, False])
async def test_callback_and_end_that_meet_miss_each_other_never(
    engine: Engine, intake: ProgramIntake, promise_first: bool
) -> None:
    """A run that ends in the same moment as it is promised a callback sends it."""
    first = await accept(engine, intake, WANTED)
    assert isinstance(first, Accepted)
    verdict = Verdict(RunState.FAILED, "", "enough", None, "failed")

    def end(conn: Connection) -> None:
        end_without_agent(conn, engine.jobs, first.run_id, verdict, 7)

    meeting = [accept(engine, intake, CALLED_BACK), engine.db.write(end)]
    await asyncio.gather(*(meeting if promise_first else meeting[::-1]))
    assert [state for state, _ in await callbacks_of(engine, first.run_id)] == ["pending"]


async def test_queue_takes_no_more_than_its_limit(engine: Engine, intake: ProgramIntake) -> None:
    """The fourth that would wait is refused and not stored; one that runs does not wait."""
    ids = [f"req-{number}" for number in range(LIMIT + 1)]
    found = [await accept(engine, intake, replace(WANTED, request_id=one)) for one in ids]
    assert found[-1] == QueueFull(LIMIT)
    assert isinstance(found[0], Accepted)
    run_id = found[0].run_id
    await engine.db.write(lambda conn: begin_attempt(conn, run_id, worker="w", now_ms=6, lease_ms=1))
    assert await engine.db.read(count_running) == 1
    last = await accept(engine, intake, replace(WANTED, request_id=ids[-1]))
    assert isinstance(last, Accepted)


async def test_first_requests_of_a_new_name_that_meet_share_it(engine: Engine, intake: ProgramIntake) -> None:
    """A conversation that two programs name at once begins once."""
    wanted = [ProgramRequest(f"req-{number}", "say x", conversation_id="mine") for number in range(LIMIT)]
    found = await asyncio.gather(*(accept(engine, intake, one) for one in wanted))
    assert {one.conversation_id for one in found if isinstance(one, Accepted)} == {"mine"}
    assert await engine.db.read(count_all_conversations) == 1


async def test_rejected_request_is_a_failed_run_with_its_callback(
    engine: Engine, intake: ProgramIntake
) -> None:
    """It never waits for a slot, and whoever asked is called back."""
    wanted = replace(WANTED, prompt="", callback_url="https://example.com/callback")
    stored = await engine.db.write(lambda conn: intake.reject(conn, wanted, "prompt is required", 5))
    run = await engine.db.read(lambda conn: find_run(conn, stored.run_id))
    assert run is not None
    assert (run.state, run.reason, run.started_at) == (RunState.FAILED, "prompt is required", None)
    query = select(callbacks.c.state).where(callbacks.c.run_id == run.id)
    assert await engine.db.read(lambda conn: conn.execute(query).scalars().all()) == ["pending"]
    again = await engine.db.write(lambda conn: intake.reject(conn, wanted, "prompt is required", 6))
    assert again == replace(stored, created=False)


async def test_run_is_asked_again_where_it_was(engine: Engine, intake: ProgramIntake) -> None:
    """The same folder, conversation and options, without the callback."""
    wanted = replace(WANTED, workdir="/repositories/shop", callback_url="https://example.com/callback")
    first = await accept(engine, intake, wanted)
    assert isinstance(first, Accepted)

    def retry(conn: Connection) -> Accepted:
        run = find_run(conn, first.run_id)
        assert run is not None
        return intake.again(conn, run, "retry-1", 7)

    second = await engine.db.write(retry)
    assert second.conversation_id == first.conversation_id
    run = await engine.db.read(lambda conn: find_run(conn, second.run_id))
    assert run is not None
    assert (run.prompt, run.lane, run.options.has_callback) == (
        "say x",
        f"conversation:{first.conversation_id}",
        False,
    )


async def read(engine: Engine, *, limit: int, most_chars: int, before: int | None = None) -> Transcript:
    """Read the conversation `c`."""
    found = await engine.db.read(
        lambda conn: read_transcript(conn, "c", limit=limit, most_chars=most_chars, before=before)
    )
    assert found is not None
    return found


async def test_transcript_is_bounded_in_messages_and_characters(engine: Engine) -> None:
    """The newest come first into the bound; one that alone is longer is cut, and said to be."""

    def fill(conn: Connection) -> None:
        begin_conversation(conn, NewConversation("c", "api", "queue:api", "/w"), 1)
        for number in range(1, 51):
            append_message(conn, "c", "user", f"{number:03d}" + "x" * 7, run_id=None, now_ms=number)

    await engine.db.write(fill)
    numbers = [one.content[:3] for one in (await read(engine, limit=45, most_chars=10_000)).messages]
    assert numbers == [f"{number:03d}" for number in range(6, 51)]
    assert [one.seq for one in (await read(engine, limit=45, most_chars=35)).messages] == [48, 49, 50]
    earlier = await read(engine, limit=2, most_chars=1_000, before=10)
    assert [one.seq for one in earlier.messages] == [8, 9]
    [only] = (await read(engine, limit=45, most_chars=4)).messages
    assert (only.content, only.is_cut) == ("050x", True)
    assert await engine.db.read(lambda conn: read_transcript(conn, "d", limit=1, most_chars=1)) is None


async def test_waiting_question_is_part_of_the_transcript(engine: Engine, intake: ProgramIntake) -> None:
    """Until it begins, when it is a message."""
    stored = await accept(engine, intake, replace(WANTED, conversation_id="c"))
    assert isinstance(stored, Accepted)
    waiting = (await read(engine, limit=5, most_chars=100)).waiting
    assert [(one.content, one.run_id, one.seq) for one in waiting] == [("say x", stored.run_id, None)]
    run_id = stored.run_id
    await engine.db.write(lambda conn: begin_attempt(conn, run_id, worker="w", now_ms=6, lease_ms=1))
    begun = await read(engine, limit=5, most_chars=100)
    assert ([one.content for one in begun.messages], begun.waiting) == (["say x"], [])


async def test_conversations_are_listed_by_their_last_word(engine: Engine) -> None:
    """Newest or oldest first, of all lanes or one, in pages."""

    def fill(conn: Connection) -> None:
        for number in range(5):
            lane = "queue:api" if number % 2 else "telegram:1:2:0"
            begin_conversation(conn, NewConversation(f"c{number}", "api", lane, "/w"), number)

    await engine.db.write(fill)
    page = await engine.db.read(lambda conn: page_of_conversations(conn, lane=None, limit=2, offset=1))
    assert [one.id for one in page] == ["c3", "c2"]
    oldest = await engine.db.read(
        lambda conn: page_of_conversations(conn, lane="queue:api", limit=5, offset=0, newest_first=False)
    )
    assert [one.id for one in oldest] == ["c1", "c3"]
    assert await engine.db.read(lambda conn: count_all_conversations(conn, "queue:api")) == 2


async def test_agent_conversation_keeps_what_is_given(engine: Engine) -> None:
    """Metadata, messages and their order; writers that meet lose nothing; the unknown is refused."""
    await engine.db.write(
        lambda conn: create_agent_conversation(conn, "a", agent_id="v", metadata={"k": [1]}, now_ms=1)
    )
    said = [AgentMessage("user", f"{number}", extra={"tool_name": "ls"}) for number in range(8)]
    numbers = await asyncio.gather(
        *(
            engine.db.write(partial(append_agent_message, conversation_id="a", message=one, now_ms=2))
            for one in said
        )
    )
    assert sorted(numbers) == list(range(1, 9))
    kept = await engine.db.read(lambda conn: agent_messages_of(conn, "a", limit=3))
    assert [one.seq for one in kept] == [6, 7, 8]
    assert kept[0].extra == {"tool_name": "ls"}
    found = await engine.db.read(lambda conn: find_agent_conversation(conn, "a"))
    assert found is not None
    assert (found.metadata, found.message_count, found.active_at) == ({"k": [1]}, 8, 2)
    with pytest.raises(NotFound):
        await engine.db.write(lambda conn: append_agent_message(conn, "b", said[0], 2))


@pytest.mark.parametrize(
    ("order", "newest"),
    [(AgentOrder.CREATED, "a2"), (AgentOrder.ACTIVE, "a0"), (AgentOrder.MESSAGES, "a1")],
)
async def test_agent_conversations_are_listed_in_any_order(
    engine: Engine, order: AgentOrder, newest: str
) -> None:
    """By beginning, by last word and by length, both ways."""

    def fill(conn: Connection) -> None:
        for number in range(3):
            create_agent_conversation(conn, f"a{number}", agent_id=None, metadata=None, now_ms=number)
        for name, now_ms in (("a1", 5), ("a1", 6), ("a0", 9)):
            append_agent_message(conn, name, AgentMessage("user", "x"), now_ms)

    await engine.db.write(fill)
    for descending in (True, False):
        page = await engine.db.read(
            partial(page_of_agent_conversations, order=order, descending=descending, limit=3, offset=0)
        )
        assert page[0 if descending else -1].id == newest
    assert await engine.db.read(count_agent_conversations) == 3
