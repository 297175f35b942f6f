"""Agents and queues as people read them, on each database: figures, fixed numbers of statements, ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection, event

from contract.job_engines import Engine
from wireroom.agents.agent import get_agent
from wireroom.agents.calls import CallState, Tried
from wireroom.agents.definition import read_definition
from wireroom.agents.desk import AgentDesk
from wireroom.agents.overview import AgentKind, AgentState, Overview, list_overviews, show_overview
from wireroom.agents.queue_figures import RATE_WINDOW_MS, agents_of, head_of, list_figures
from wireroom.agents.scheduler import Scheduler, plan_look
from wireroom.clock import from_ms
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)
NOW = 1_790_000_000_000
HOUR = 3_600_000


@pytest.fixture
def desk(engine: Engine) -> AgentDesk:
    """Lend the units, with two places a queue."""
    return AgentDesk(engine.jobs, concurrency=2, catch_ups=1)


async def save(engine: Engine, desk: AgentDesk, name: str, **fields: Any) -> None:
    """Make an agent."""
    definition = read_definition({"name": name, "targetUrl": "http://t/", **fields}, "UTC")
    await engine.db.write(lambda conn: desk.agents.save(conn, definition, NOW))


async def run(engine: Engine, desk: AgentDesk, name: str) -> int:
    """Call an agent by hand; return the call's number."""
    saved = await engine.db.write(lambda conn: desk.agents.run_now(conn, name, NOW))
    assert saved.call_id is not None
    return saved.call_id


async def end(engine: Engine, desk: AgentDesk, call_id: int, state: CallState, after_ms: int) -> None:
    """End a call that is being made, so long after now, having taken as long."""
    call = await engine.db.read(lambda conn: desk.calls.load(conn, call_id))
    assert call is not None
    tried = Tried(1, duration_ms=after_ms)
    await engine.db.write(lambda conn: desk.calls.end(conn, call, state, tried, NOW + after_ms))


async def overviews(engine: Engine, kind: AgentKind = AgentKind.ALL) -> dict[str, Overview]:
    """Return the agents of a kind by name."""
    found = await engine.db.read(lambda conn: list_overviews(conn, kind=kind, limit=100))
    return {view.name: view for view in found}


async def sent(engine: Engine, unit: Callable[[Connection], object]) -> int:
    """Return how many statements a unit takes that SQLAlchemy sends."""
    count = 0

    def whole(conn: Connection) -> None:
        def note(*_: object) -> None:
            nonlocal count
            count += 1

        event.listen(conn, "before_cursor_execute", note)
        try:
            unit(conn)
        finally:
            event.remove(conn, "before_cursor_execute", note)

    await engine.db.read(whole)
    return count


async def test_overviews_take_as_many_statements_for_one_as_for_many(engine: Engine, desk: AgentDesk) -> None:
    """The lists of agents and queues take a fixed number of statements."""
    for number in range(30):
        await save(engine, desk, f"a{number:02}", schedule="daily", queue=f"q{number}")
        await run(engine, desk, f"a{number:02}")

    one = await sent(engine, lambda conn: list_overviews(conn, kind=AgentKind.ALL, limit=1))
    many = await sent(engine, lambda conn: list_overviews(conn, kind=AgentKind.ALL, limit=30))
    queues = await sent(engine, lambda conn: list_figures(conn, NOW))

    assert (one, many, queues) == (3, 3, 5)


async def test_overview_tells_what_an_agent_does_and_did(engine: Engine, desk: AgentDesk) -> None:
    """Open calls are counted, the newest end is told, and failures since the last success."""
    await save(engine, desk, "works", schedule="daily")
    await save(engine, desk, "later", oneTime=True, at=from_ms(NOW + HOUR).isoformat())
    for number, state in enumerate([CallState.DEAD, CallState.SUCCEEDED, CallState.DEAD, CallState.DEAD]):
        call_id = await run(engine, desk, "works")
        await end(engine, desk, call_id, state, number)
    await run(engine, desk, "works")
    found = await overviews(engine)
    works, later = found["works"], found["later"]

    assert (works.state, works.running, works.waiting, works.failures) == (AgentState.ACTIVE, 1, 0, 2)
    assert works.last is not None
    assert (works.last.state, works.last.finished_at, works.last.duration_ms) == ("dead", NOW + 3, 3)
    assert [slot - works.next[0] for slot in works.next] == [0, 24 * HOUR, 48 * HOUR]
    assert (later.state, later.next, later.last) == (AgentState.WAITING, [NOW + HOUR], None)
    assert [*await overviews(engine, AgentKind.SCHEDULED)] == ["works"]
    assert [*await overviews(engine, AgentKind.ONCE)] == ["later"]
    assert await engine.db.read(lambda conn: show_overview(conn, "works")) == works
    assert await engine.db.read(lambda conn: show_overview(conn, "nobody")) is None


async def test_schedule_that_has_ended_is_done(engine: Engine, desk: AgentDesk) -> None:
    """The last slot of a span is run, and then no job stands for the agent any more."""
    schedule = {"every": HOUR, "end": from_ms(NOW + 2 * HOUR).isoformat()}
    await save(engine, desk, "ends", schedule=schedule, missed="all:5")
    look = Scheduler(
        db=engine.db,
        jobs=engine.jobs,
        clock=ManualClock(),
        agents=desk.agents,
        calls=desk.calls,
        admission=desk.admission,
        draw=lambda: 0.0,
    )
    agent = await engine.db.read(lambda conn: get_agent(conn, "ends"))
    plan = plan_look(agent, NOW + 10 * HOUR)
    await engine.db.write(lambda conn: look.decide(conn, agent, plan, NOW + 10 * HOUR))
    ended = await engine.db.read(lambda conn: get_agent(conn, "ends"))
    view = (await overviews(engine))["ends"]

    assert (len(plan.slots), plan.next_at) == (2, None)
    assert replace(ended, next_at=agent.next_at) == agent
    assert (view.state, view.next, view.waiting + view.running) == (AgentState.DONE, [], 2)


async def test_queue_figures_follow_its_calls(engine: Engine, desk: AgentDesk) -> None:
    """Counts, ages, rates of the window and the order at the head are those of the calls."""
    for number in range(5):
        await save(engine, desk, f"a{number}", oneTime=True, queue="mail")
    await save(engine, desk, "later", oneTime=True, queue="mail", at=from_ms(NOW + HOUR).isoformat())
    await end(engine, desk, 1, CallState.SUCCEEDED, 0)
    listed = await engine.db.read(lambda conn: list_figures(conn, NOW))
    late = await engine.db.read(lambda conn: list_figures(conn, NOW + RATE_WINDOW_MS + 1, "mail"))
    head = await engine.db.read(lambda conn: head_of(conn, "mail"))
    mail = listed[1]

    assert [queue.name for queue in listed] == ["default", "mail"]
    assert (mail.active, mail.waiting, mail.delayed, mail.succeeded, mail.over) == (2, 2, 1, 1, 1)
    assert (mail.succeeded_lately, mail.dead_lately, mail.oldest_due_at, mail.agents) == (1, 0, NOW, 6)
    assert (late[0].succeeded, late[0].succeeded_lately) == (1, 0)
    assert [(one.agent_name, one.state) for one in head] == [
        ("a1", "running"),
        ("a2", "running"),
        ("a3", "waiting"),
        ("a4", "waiting"),
        ("later", "waiting"),
    ]
    names = await engine.db.read(lambda conn: agents_of(conn, "mail"))
    assert names == ["a0", "a1", "a2", "a3", "a4", "later"]
    assert await engine.db.read(lambda conn: list_figures(conn, NOW, "nobody")) == []
