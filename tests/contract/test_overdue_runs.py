"""Runs whose turn does not come in time are given up while they wait, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection, select

from contract.job_engines import Engine
from wireroom.callbacks.outbox import open_callback
from wireroom.clock import to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.runs.cancel import cancel_run
from wireroom.runs.endings import requeue_interrupted
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.overdue import FIND_OVERDUE, Overdue
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.records import NewRun, begin_attempt, create_run
from wireroom.runs.states import RunState
from wireroom.store.schema import callbacks
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.clock import ManualClock

LANE = "web:one"
LIMIT = timedelta(minutes=10)
pytestmark = pytest.mark.timeout(60)


async def queue_runs(engine: Engine, clock: ManualClock, *names: str) -> None:
    """Let runs wait from now on, each with a callback."""
    now_ms = to_ms(clock.now())

    def unit(conn: Connection) -> None:
        begin_conversation(conn, NewConversation("c", "web", LANE, "/w"), now_ms)
        for name in names:
            create_run(conn, engine.jobs, NewRun(name, name, "c", LANE, "api", "x", "demo", "/w"), now_ms)
            open_callback(conn, name, "https://example.com/callback", now_ms)

    await engine.db.write(unit)


async def run_of(engine: Engine, name: str) -> RunView:
    """Return the run as it is stored."""
    found = await engine.db.read(lambda conn: find_run(conn, name))
    assert found is not None
    return found


async def test_run_behind_a_long_one_is_given_up_in_time(engine: Engine) -> None:
    """It fails, its job is gone, its caller is told, and readers are woken; the one at work goes on."""
    clock, feed = ManualClock(), Feed()
    await queue_runs(engine, clock, "works", "waits")
    await engine.db.write(lambda conn: begin_attempt(conn, "works", worker="w", now_ms=1, lease_ms=1))
    overdue = Overdue(engine.db, engine.jobs, clock, feed, limit=LIMIT)
    clock.advance(LIMIT - timedelta(seconds=1))
    await overdue.look()
    assert (await run_of(engine, "waits")).state is RunState.QUEUED
    clock.advance(timedelta(seconds=2))
    with feed.listen(run_topic("waits")) as of_run, feed.listen(lane_topic(LANE)) as of_lane:
        await overdue.look()
        assert of_run.is_set()
        assert of_lane.is_set()
    run = await run_of(engine, "waits")
    assert (run.state, run.report.error_code, run.started_at) == (RunState.FAILED, "queue_timeout", None)
    assert "within 10 min" in (run.error or "")
    assert not await engine.db.read(lambda conn: engine.jobs.is_pending(conn, kind="run", ref="waits"))
    query = select(callbacks.c.state).where(callbacks.c.run_id == "waits")
    assert await engine.db.read(lambda conn: conn.scalars(query).all()) == ["pending"]
    assert (await run_of(engine, "works")).state is RunState.RUNNING


async def test_more_than_a_batch_is_given_up_in_one_look(engine: Engine) -> None:
    """A hundred and twenty runs take three batches."""
    clock = ManualClock()
    names = [f"r{number}" for number in range(120)]
    await queue_runs(engine, clock, *names)
    clock.advance(LIMIT + timedelta(seconds=1))
    await Overdue(engine.db, engine.jobs, clock, Feed(), limit=LIMIT).look()
    assert {(await run_of(engine, name)).state for name in names} == {RunState.FAILED}


async def test_run_that_has_begun_once_or_ended_is_left_alone(engine: Engine) -> None:
    """One that a stop of the service sent back to waiting waits on, however long it takes."""
    clock = ManualClock()
    await queue_runs(engine, clock, "begun", "removed")
    await engine.db.write(lambda conn: begin_attempt(conn, "begun", worker="w", now_ms=1, lease_ms=1))
    await engine.db.write(lambda conn: requeue_interrupted(conn, "begun", 1, 2))
    await engine.db.write(lambda conn: cancel_run(conn, engine.jobs, "removed", 3))
    clock.advance(LIMIT * 2)
    await Overdue(engine.db, engine.jobs, clock, Feed(), limit=LIMIT).look()
    assert (await run_of(engine, "begun")).state is RunState.QUEUED
    assert (await run_of(engine, "removed")).state is RunState.CANCELLED


async def test_overdue_runs_are_found_by_an_index(database: SqliteDatabase) -> None:
    """A look reads the runs that wait, not all that ever were."""
    plan = await database.read(lambda conn: FIND_OVERDUE.plan(conn, before_ms=1, most=1))
    assert "ix_runs_state (state=? AND queued_at<?)" in plan
