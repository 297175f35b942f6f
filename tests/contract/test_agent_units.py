"""The units of work on agents and their calls, on each database."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, func, select, text

from contract.job_engines import Engine
from wireroom.agents.admission import ADMIT_KIND, TIME_QUEUE, admission_ref
from wireroom.agents.agent import get_agent
from wireroom.agents.calls import CallState, Tried
from wireroom.agents.definition import Definition, read_definition
from wireroom.agents.desk import AgentDesk
from wireroom.agents.handed import Call
from wireroom.agents.queries import calls_in_state, list_agents, list_calls, show_agent, show_call
from wireroom.agents.records import MOST_SLOTS, Agents, Saved
from wireroom.agents.retention import forget_before
from wireroom.agents.scheduler import Scheduler, plan_look
from wireroom.clock import to_ms
from wireroom.errors import Conflict, NotFound
from wireroom.jobs.port import Job, RunAgainAt
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)
NOW = 1_790_000_000_000
DAY = 86_400_000


@pytest.fixture
def desk(engine: Engine) -> AgentDesk:
    """Lend the units, with two places a queue and one for catch-ups."""
    return AgentDesk(engine.jobs, concurrency=2, catch_ups=1)


def once(name: str, **fields: Any) -> Definition:
    """Return a one-time agent."""
    return read_definition({"name": name, "targetUrl": "http://t/", "oneTime": True, **fields}, "UTC")


def hourly(name: str, **fields: Any) -> Definition:
    """Return an agent with a slot each hour."""
    return read_definition({"name": name, "targetUrl": "http://t/", "schedule": "hourly", **fields}, "UTC")


def scheduler(engine: Engine, desk: AgentDesk) -> Scheduler:
    """Return what decides on slots, without jitter."""
    return Scheduler(
        db=engine.db,
        jobs=engine.jobs,
        clock=ManualClock(),
        agents=desk.agents,
        calls=desk.calls,
        admission=desk.admission,
        draw=lambda: 0.0,
    )


async def save(engine: Engine, desk: AgentDesk, definition: Definition) -> Saved:
    """Make an agent."""
    return await engine.db.write(lambda conn: desk.agents.save(conn, definition, NOW))


async def states(engine: Engine) -> list[str]:
    """Return the states of all calls, oldest first."""
    query = text("SELECT state FROM agent_calls ORDER BY id")
    return list(await engine.db.read(lambda conn: conn.execute(query).scalars().all()))


async def loaded(engine: Engine, desk: AgentDesk, call_id: int) -> Call:
    """Return a call that is being made."""
    call = await engine.db.read(lambda conn: desk.calls.load(conn, call_id))
    assert call is not None
    return call


async def test_queue_makes_as_many_calls_at_once_as_it_has_places(engine: Engine, desk: AgentDesk) -> None:
    """Calls beyond the places wait, in their order; each end lets one in, and what is let in has a job."""
    for number in range(5):
        await save(engine, desk, once(f"a{number}"))
    full = await states(engine)
    first = await loaded(engine, desk, 1)
    await engine.db.write(lambda conn: desk.calls.end(conn, first, CallState.SUCCEEDED, Tried(1), NOW))
    jobs = await engine.db.read(
        lambda conn: [engine.jobs.is_pending(conn, kind="agent-call", ref=str(n)) for n in range(1, 6)]
    )

    assert full == ["running", "running", "waiting", "waiting", "waiting"]
    assert await states(engine) == ["succeeded", "running", "running", "waiting", "waiting"]
    assert jobs == [True, True, True, False, False]


async def test_many_posts_at_once_never_exceed_the_places(engine: Engine, desk: AgentDesk) -> None:
    """Units that run side by side admit no more than there are places, and lose no call."""
    posts = [engine.db.write(lambda conn: desk.agents.save(conn, once("same"), NOW)) for _ in range(40)]
    saved = await asyncio.gather(*posts)
    found = await states(engine)

    assert len({one.call_id for one in saved}) == 40
    assert (found.count("running"), found.count("waiting")) == (2, 38)
    assert len(await engine.db.read(lambda conn: list_agents(conn, limit=10))) == 1


async def test_idempotency_key_is_one_call_under_one_name(engine: Engine, desk: AgentDesk) -> None:
    """The same key gives the first call again, even when posts race; another name has keys of its own."""
    posts = [
        engine.db.write(lambda conn: desk.agents.save(conn, once("a"), NOW, idempotency_key="k"))
        for _ in range(10)
    ]
    saved = await asyncio.gather(*posts)
    other = await engine.db.write(lambda conn: desk.agents.save(conn, once("b"), NOW, idempotency_key="k"))

    assert {one.call_id for one in saved} == {saved[0].call_id}
    assert sum(not one.repeated for one in saved) == 1
    assert other.call_id != saved[0].call_id


async def test_missed_slots_become_catch_ups_one_at_a_time(engine: Engine, desk: AgentDesk) -> None:
    """After an outage the newest slots are caught up on within the cap, the others noted with a reason."""
    look = scheduler(engine, desk)
    await engine.db.write(lambda conn: desk.agents.save(conn, hourly("a", missed="all:3"), NOW))
    agent = await engine.db.read(lambda conn: get_agent(conn, "a"))
    later = NOW + 10 * 3_600_000
    await engine.db.write(lambda conn: look.decide(conn, agent, plan_look(agent, later), later))
    await engine.db.write(lambda conn: look.decide(conn, agent, plan_look(agent, later), later))
    calls = await engine.db.read(lambda conn: list_calls(conn, agent.id, limit=50))
    moved = await engine.db.read(lambda conn: get_agent(conn, "a"))

    assert [(call.state, call.slots) for call in calls[::-1]] == [
        ("skipped", 7),
        ("running", 1),
        ("waiting", 1),
        ("waiting", 1),
    ]
    assert all(call.reason for call in calls)
    assert moved.next_at is not None
    assert later < moved.next_at <= later + 3_600_000


async def test_long_outage_of_a_busy_schedule_is_decided_in_pieces(engine: Engine, desk: AgentDesk) -> None:
    """A slot each second for a day is 86,400 decisions in few rows and few steps, and one call."""
    look = scheduler(engine, desk)
    every = read_definition({"name": "a", "targetUrl": "http://t/", "schedule": {"every": 1000}}, "UTC")
    await engine.db.write(lambda conn: desk.agents.save(conn, every, NOW))
    later, steps = NOW + DAY, 0
    while True:
        agent = await engine.db.read(lambda conn: get_agent(conn, "a"))
        assert agent.next_at is not None
        if agent.next_at > later:
            break
        steps += 1
        plan = plan_look(agent, later)
        await engine.db.write(partial(look.decide, agent=agent, plan=plan, now_ms=later))
    calls = await engine.db.read(lambda conn: list_calls(conn, agent.id, limit=100))

    assert steps == len(calls) - 1 == DAY // 1000 // MOST_SLOTS + 1
    assert sum(call.slots for call in calls) == DAY // 1000
    assert [call.state for call in calls].count("running") == 1


async def test_agent_that_waits_its_turn_is_called_one_at_a_time(engine: Engine, desk: AgentDesk) -> None:
    """With overlap `queue` a second call waits for the first, while other agents go past it."""
    for name in ("a", "a", "b"):
        await save(engine, desk, once(name, overlap="queue"))
    before = await states(engine)
    first = await loaded(engine, desk, 1)
    await engine.db.write(lambda conn: desk.calls.end(conn, first, CallState.DEAD, Tried(1), NOW))

    assert before == ["running", "waiting", "running"]
    assert await states(engine) == ["dead", "running", "running"]


async def test_failed_try_gives_its_place_away_and_comes_back(engine: Engine, desk: AgentDesk) -> None:
    """A call that is tried later lets the next in, and is admitted again when it is due, not before."""
    for name in "abc":
        await save(engine, desk, once(name))
    first = await loaded(engine, desk, 1)
    tried = Tried(1, status_code=500, duration_ms=3, error="HTTP 500")
    await engine.db.write(lambda conn: desk.calls.try_later(conn, first, tried, NOW + 1_000, NOW))
    late = await states(engine)
    for call_id in (2, 3):
        call = await loaded(engine, desk, call_id)
        done = partial(desk.calls.end, call=call, state=CallState.SUCCEEDED, tried=Tried(1))
        await engine.db.write(partial(done, now_ms=NOW + 999))
    early = await states(engine)
    await engine.db.write(lambda conn: desk.admission.admit(conn, "default", NOW + 1_000))

    assert late == ["waiting", "running", "running"]
    assert early == ["waiting", "succeeded", "succeeded"]
    assert await states(engine) == ["running", "succeeded", "succeeded"]


async def test_deleted_agent_leaves_nothing_to_do(engine: Engine, desk: AgentDesk) -> None:
    """Deleting takes back what waits and works, ends the schedule's job, and lets the next agent in."""
    await engine.db.write(lambda conn: desk.queues.create(conn, "q", NOW, concurrency=1))
    await engine.db.write(lambda conn: desk.agents.save(conn, hourly("a", queue="q"), NOW))
    for _ in range(2):
        await engine.db.write(lambda conn: desk.agents.run_now(conn, "a", NOW))
    await engine.db.write(lambda conn: desk.agents.save(conn, once("b", queue="q"), NOW))
    await engine.db.write(lambda conn: desk.agents.delete(conn, "a", NOW))
    call = await engine.db.read(lambda conn: desk.calls.load(conn, 1))

    assert await states(engine) == ["cancelled", "cancelled", "running"]
    assert call is None
    assert not await engine.db.read(lambda conn: engine.jobs.is_pending(conn, kind="agent-due", ref="1.1"))
    assert await engine.db.read(lambda conn: show_agent(conn, "a")) is None
    with pytest.raises(NotFound):
        await engine.db.write(lambda conn: desk.agents.delete(conn, "a", NOW))


async def test_pause_is_accounted_for(engine: Engine, desk: AgentDesk) -> None:
    """The slots of a pause are noted when it ends, and the schedule goes on after them."""
    await engine.db.write(lambda conn: desk.agents.save(conn, hourly("a"), NOW))
    await engine.db.write(lambda conn: desk.agents.pause(conn, "a", NOW))
    later = NOW + 5 * 3_600_000
    resumed = await engine.db.write(lambda conn: desk.agents.resume(conn, "a", later))
    calls = await engine.db.read(lambda conn: list_calls(conn, resumed.id, limit=9))

    assert [(call.state, call.slots, call.reason) for call in calls] == [
        ("skipped", 5, "the agent was paused")
    ]
    assert resumed.next_at is not None
    assert resumed.next_at > later
    with pytest.raises(Conflict):
        await _pause_one_time(engine, desk.agents)


async def _pause_one_time(engine: Engine, agents: Agents) -> None:
    await engine.db.write(lambda conn: agents.save(conn, once("x"), NOW))
    await engine.db.write(lambda conn: agents.pause(conn, "x", NOW))


async def test_schedule_that_lost_its_job_is_found(engine: Engine, desk: AgentDesk) -> None:
    """A look each minute gives an overdue schedule its job again, and admits what was left waiting."""
    look = scheduler(engine, desk)
    await engine.db.write(lambda conn: desk.agents.save(conn, hourly("a"), 0))

    def lose(conn: Connection) -> None:
        engine.jobs.cancel(conn, kind="agent-due", ref="1.1")

    await engine.db.write(lose)
    found = await engine.db.write(look.look_for_lost)
    again = await engine.db.write(look.look_for_lost)

    assert (found, again) == (1, 0)


async def test_name_of_another_kind_is_refused(engine: Engine, desk: AgentDesk) -> None:
    """A prompt's name cannot become a call's; a one-time call of a schedule's name goes beside it."""
    prompt = read_definition({"name": "p", "prompt": "x", "schedule": "daily"}, "UTC")
    await engine.db.write(lambda conn: desk.agents.save(conn, prompt, NOW))
    with pytest.raises(Conflict, match="runs a prompt"):
        await engine.db.write(lambda conn: desk.agents.save(conn, once("p"), NOW))
    await engine.db.write(lambda conn: desk.agents.save(conn, hourly("h"), NOW))
    beside = await engine.db.write(lambda conn: desk.agents.save(conn, once("h"), NOW))
    view = await engine.db.read(lambda conn: show_agent(conn, "h"))

    assert view is not None
    assert (view.is_active, view.last_call_id) == (True, beside.call_id)


async def test_queue_reads_count_by_state(engine: Engine, desk: AgentDesk) -> None:
    """A queue's figures are those of its calls, and what is over is forgotten in time."""
    for name in "abcd":
        await save(engine, desk, once(name))
    for call_id, state in ((1, CallState.SUCCEEDED), (2, CallState.DEAD)):
        call = await loaded(engine, desk, call_id)
        await engine.db.write(partial(desk.calls.end, call=call, state=state, tried=Tried(1), now_ms=NOW))
    third = await loaded(engine, desk, 3)
    await engine.db.write(lambda conn: desk.calls.try_later(conn, third, Tried(1), NOW + 9, NOW))
    view = (await engine.db.read(lambda conn: desk.queues.list(conn, NOW)))[0]
    shown = await engine.db.read(lambda conn: desk.queues.show(conn, "default", NOW))
    await engine.db.write(lambda conn: forget_before(conn, NOW + 1))

    assert (view.waiting, view.delayed, view.active, view.completed, view.failed) == (0, 1, 1, 1, 1)
    assert shown == view
    assert view.agents == ["a", "b", "c", "d"]
    assert await states(engine) == ["waiting", "running"]
    assert await engine.db.read(lambda conn: show_call(conn, 1)) is None


async def test_units_that_meet_in_a_queue_do_not_wait_for_each_other(engine: Engine, desk: AgentDesk) -> None:
    """Ends, deletions and posts side by side all succeed; no place is overfilled, none stays empty."""
    agents = [f"a{number}" for number in range(4)]
    for name in agents * 3:
        await save(engine, desk, once(name))
    for name in agents:
        at_work = await engine.db.read(
            lambda conn: calls_in_state(conn, "default", CallState.RUNNING, limit=9)
        )
        ending = [await loaded(engine, desk, view.id) for view in at_work]
        end = partial(desk.calls.end, state=CallState.SUCCEEDED, tried=Tried(1), now_ms=NOW)
        await asyncio.gather(
            *(engine.db.write(partial(end, call=call)) for call in ending),
            *(save(engine, desk, once(f"b{number}")) for number in range(3)),
            engine.db.write(partial(desk.agents.delete, name=name, now_ms=NOW)),
        )

        assert (await states(engine)).count("running") == 2


async def test_deletion_and_admission_do_not_wait_for_each_other(engine: Engine, desk: AgentDesk) -> None:
    """A unit that has its queue to itself finds no call in it that a deletion holds, and no deleted one."""
    for name in ("a", "a", "b", "b", "c"):
        await save(engine, desk, once(name))

    def widen(conn: Connection) -> None:
        desk.queues.widen(conn, "default", 3, NOW)
        if conn.dialect.name == "postgresql":
            conn.execute(select(func.pg_sleep(0.3)))
        desk.queues.widen(conn, "default", 4, NOW)

    await asyncio.gather(
        engine.db.write(widen), engine.db.write(lambda conn: desk.agents.delete(conn, "b", NOW))
    )

    assert await states(engine) == ["running", "running", "cancelled", "cancelled", "running"]


async def test_call_of_a_queue_that_is_just_deleted_is_not_lost(engine: Engine, desk: AgentDesk) -> None:
    """Whoever comes first, a post to a queue that somebody deletes is called."""
    for _ in range(10):
        await engine.db.write(lambda conn: desk.queues.create(conn, "q", NOW))
        deleted, saved = await asyncio.gather(
            engine.db.write(lambda conn: desk.queues.delete(conn, "q", NOW)),
            save(engine, desk, once("a", queue="q")),
            return_exceptions=True,
        )
        assert isinstance(saved, Saved)
        assert deleted is None or isinstance(deleted, Conflict)
        assert saved.call_id is not None
        assert (await loaded(engine, desk, saved.call_id)).queue == "q"
        await engine.db.write(lambda conn: desk.agents.delete(conn, "a", NOW))
        if deleted is not None:
            await engine.db.write(lambda conn: desk.queues.delete(conn, "q", NOW))


async def test_queue_that_nothing_is_left_of_is_forgotten(engine: Engine, desk: AgentDesk) -> None:
    """A queue that was made by a post goes with its last history; one that was made on purpose stays."""
    await engine.db.write(lambda conn: desk.queues.create(conn, "kept", NOW))
    for queue in ("passing", "needed"):
        await save(engine, desk, once(queue, queue=queue))
    call = await loaded(engine, desk, 1)
    await engine.db.write(lambda conn: desk.calls.end(conn, call, CallState.SUCCEEDED, Tried(1), NOW))
    await engine.db.write(lambda conn: forget_before(conn, NOW + 1))

    left = await engine.db.read(lambda conn: desk.queues.list(conn, NOW))
    assert [queue.name for queue in left] == ["default", "kept", "needed"]


@pytest.mark.parametrize("schedule", [{"every": 1_000}, "*/5 * * * * *"])
async def test_long_pause_of_a_busy_schedule_is_counted_not_walked(
    engine: Engine, desk: AgentDesk, schedule: object
) -> None:
    """A year of slots is one row with their number, and resuming does not hold the database up."""
    busy = read_definition({"name": "a", "targetUrl": "http://t/", "schedule": schedule}, "UTC")
    await engine.db.write(lambda conn: desk.agents.save(conn, busy, NOW))
    await engine.db.write(lambda conn: desk.agents.pause(conn, "a", NOW))
    began = time.process_time()
    resumed = await engine.db.write(lambda conn: desk.agents.resume(conn, "a", NOW + 365 * DAY))
    took = time.process_time() - began
    (call,) = await engine.db.read(lambda conn: list_calls(conn, resumed.id, limit=9))
    seconds = 1 if schedule == {"every": 1_000} else 5

    assert (call.state, call.slots) == ("skipped", 365 * DAY // 1_000 // seconds)
    assert resumed.next_at == NOW + 365 * DAY + seconds * 1_000
    assert took < 5


async def test_queue_is_not_looked_at_before_its_time(engine: Engine, desk: AgentDesk) -> None:
    """An engine whose clock goes before ours is told when to ask again, so that no call waits for a chore."""
    look, later = scheduler(engine, desk), ManualClock().now() + timedelta(seconds=2)
    ref = admission_ref("default", to_ms(later))

    assert await look.handle_admit(Job(1, TIME_QUEUE, ADMIT_KIND, ref, None, 1, 1)) == RunAgainAt(later)


async def test_admitted_call_is_handed_over_as_it_would_be_read(engine: Engine, desk: AgentDesk) -> None:
    """The handler of the process gets each call once, as its row says; others it reads."""
    for name in "abc":
        await save(engine, desk, once(name, body={"n": name}, overlap="queue" if name == "c" else "allow"))
    first = await loaded(engine, desk, 1)
    await engine.db.write(lambda conn: desk.calls.end(conn, first, CallState.SUCCEEDED, Tried(1), NOW))
    await engine.db.write(lambda conn: desk.agents.delete(conn, "b", NOW))
    third = await loaded(engine, desk, 3)
    hands = desk.calls
    is_here = engine.db.dialect == "sqlite"

    assert [hands.handed(number) for number in (1, 2, 3)] == (
        [first, None, third] if is_here else [None, None, None]
    )
    assert hands.handed(3) is None
