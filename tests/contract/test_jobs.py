"""One suite for both job engines: what `Jobs` and `Worker` promise to the rooms."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from contract.job_engines import Engine, Recorder, open_engine
from wireroom.clock import to_ms
from wireroom.errors import LeaseLost
from wireroom.jobs.port import CancelResult, Dead, Demand, Done, Job, Outcome, QueueCounts, RunAgainAt
from wireroom.store.schema import audit
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
BEFORE_THE_NEXT_LOOK = 2.5
"""Seconds: half of what either engine waits until it looks for itself."""
_CHILD = (sys.executable, "-m", "contract.job_child")
_TESTS = Path(__file__).parent.parent


def _soon(milliseconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=milliseconds)


async def _empty(engine: Engine) -> None:
    async def is_empty() -> bool:
        return await engine.counts() == QueueCounts()

    await eventually(is_empty, "the queue is empty", 10)


# What a job is


async def test_job_runs_once_as_enqueued_and_leaves_the_queue(engine: Engine) -> None:
    """A job reaches its handler with what it was enqueued with, and is gone once that returned Done."""
    work = Recorder()
    await engine.enqueue("a7", key="chat:1")
    engine.start(work)
    await _empty(engine)
    (job,) = work.jobs
    assert (job.queue, job.kind, job.ref, job.key, job.attempt) == ("work", "note", "a7", "chat:1", 1)
    assert job.epoch > 0


async def test_job_enqueued_while_the_worker_idles_starts_at_once(engine: Engine) -> None:
    """An idle worker is woken by the commit, not by its next look."""
    work = Recorder()
    engine.start(work)
    await engine.enqueue("warm")
    await _empty(engine)
    started = time.monotonic()
    await engine.enqueue("a")
    await eventually(lambda: "a" in work.started, "the job starts")
    assert time.monotonic() - started < BEFORE_THE_NEXT_LOOK


async def test_job_of_a_failed_unit_never_exists(engine: Engine) -> None:
    """A job enqueued in a unit that raises is undone with the rest of the unit."""

    def unit(conn: Connection) -> None:
        engine.jobs.enqueue(conn, queue="work", kind="note", ref="ghost")
        raise LookupError

    work = Recorder()
    engine.start(work)
    with contextlib.suppress(LookupError):
        await engine.db.write(unit)
    await engine.enqueue("real")
    await eventually(lambda: work.ended == ["real"], "the real job alone runs")
    await _empty(engine)


async def test_job_of_an_unknown_kind_stays_waiting(engine: Engine) -> None:
    """A worker passes over what it cannot handle and goes on behind it."""
    work = Recorder()
    await engine.enqueue("stranger", kind="unknown")
    await engine.enqueue("known")
    engine.start(work)
    await eventually(lambda: work.ended == ["known"], "the known job runs")
    assert (await engine.counts()).waiting == 1


# Order


async def test_jobs_of_one_key_run_one_at_a_time_in_order(engine: Engine) -> None:
    """Jobs of one key never overlap and keep the order in which they were enqueued."""
    work = Recorder()
    refs = [str(number) for number in range(12)]
    for ref in refs:
        await engine.enqueue(ref, key="chat")
    engine.start(work)
    await _empty(engine)
    assert work.started == refs
    assert work.most_at_once == 1


async def test_jobs_of_a_busy_key_wait_while_other_keys_go_on(engine: Engine) -> None:
    """A running job holds up its own key only, also for jobs that come later."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("a1", key="a")
    await eventually(lambda: work.started == ["a1"], "the first of key a runs")
    await engine.enqueue("a2", key="a")
    await engine.enqueue("b1", key="b")
    await engine.enqueue("free")
    await eventually(lambda: set(work.started) == {"a1", "b1", "free"}, "the others run")
    assert (await engine.counts()).waiting == 1
    work.gate.set()
    await _empty(engine)
    assert work.ended[-1] == "a2"


async def test_lower_priority_number_goes_first_also_within_a_key(engine: Engine) -> None:
    """Among those due, the lowest priority number goes first, then the oldest; so a stop can overtake."""
    work = Recorder()
    for ref, priority in [("first", 0), ("late", 5), ("urgent", -5), ("second", 0)]:
        await engine.enqueue(ref, key="chat", priority=priority)
    engine.start(work)
    await _empty(engine)
    assert work.started == ["urgent", "first", "second", "late"]


async def test_more_urgent_job_overtakes_those_already_waiting_for_the_key(engine: Engine) -> None:
    """A job that comes while its key is busy is placed by its priority among those that wait already."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("running", key="chat")
    await eventually(lambda: work.started == ["running"], "the first runs")
    await engine.enqueue("patient", key="chat")
    await engine.enqueue("urgent", key="chat", priority=-1)
    work.gate.set()
    await _empty(engine)
    assert work.started == ["running", "urgent", "patient"]


async def test_queue_runs_at_most_its_concurrency(engine: Engine) -> None:
    """Each queue keeps its own limit: two of `narrow`, ten of `work`."""
    narrow, work = Recorder(gated=True), Recorder(gated=True)
    for number in range(15):
        await engine.enqueue(str(number), queue="narrow", kind="narrow")
        await engine.enqueue(str(number))
    engine.start({"narrow": narrow, "note": work})
    await eventually(lambda: len(work.started) == 10, "ten of `work` run")
    await eventually(lambda: len(narrow.started) == 2, "two of `narrow` run")
    assert await engine.counts() == QueueCounts(waiting=5, running=10)
    narrow.gate.set()
    work.gate.set()
    await _empty(engine)
    await eventually(lambda: len(narrow.ended) == 15, "all of `narrow` run")
    assert (work.most_at_once, narrow.most_at_once) == (10, 2)


# Dedupe


async def test_dedupe_refuses_a_second_waiting_job_and_spares_the_unit(engine: Engine) -> None:
    """A second waiting job of one dedupe is refused, and the unit that tried it is kept otherwise."""

    def unit(conn: Connection) -> list[bool]:
        answers = [
            engine.jobs.enqueue(conn, queue="work", kind="note", ref=ref, dedupe="same")
            for ref in ("kept", "refused")
        ]
        return [*answers, engine.jobs.enqueue(conn, queue="work", kind="note", ref="other")]

    assert await engine.db.write(unit) == [True, False, True]
    assert await engine.enqueue("refused too", dedupe="same", run_at=_soon(60_000)) is False
    work = Recorder()
    engine.start(work)
    await _empty(engine)
    assert sorted(work.started) == ["kept", "other"]


async def test_dedupe_counts_delayed_jobs_and_not_running_ones(engine: Engine) -> None:
    """A delayed job counts as waiting; while one runs, the next may be enqueued."""
    work = Recorder(gated=True)
    assert await engine.enqueue("delayed", dedupe="d", run_at=_soon(60_000))
    assert not await engine.enqueue("refused", dedupe="d")
    engine.start(work)
    assert await engine.enqueue("running", dedupe="r")
    await eventually(lambda: work.started == ["running"], "the job runs")
    assert await engine.enqueue("next", dedupe="r")
    await eventually(lambda: "next" in work.started, "the next runs beside it")
    work.gate.set()


async def test_retried_job_beside_a_new_one_of_its_dedupe_loses_neither(engine: Engine) -> None:
    """When a failed job must wait again while its dedupe is taken, both still run."""
    seen: list[tuple[str, int]] = []
    gate = asyncio.Event()

    async def handler(job: Job) -> Outcome:
        seen.append((job.ref, job.attempt))
        if job.ref == "old" and job.attempt == 1:
            await gate.wait()
            raise ValueError("once")
        return Done()

    engine.start(handler)
    await engine.enqueue("old", key="k", dedupe="same")
    await eventually(lambda: seen == [("old", 1)], "the old one runs")
    assert await engine.enqueue("new", key="k", dedupe="same")
    gate.set()
    await _empty(engine)
    assert sorted(seen) == [("new", 1), ("old", 1), ("old", 2)]


# Time


async def test_delayed_job_waits_for_its_time_and_then_starts(engine: Engine) -> None:
    """A job with `run_at` is counted as delayed, never starts early and starts soon after."""
    work = Recorder()
    engine.start(work)
    due = _soon(400)
    await engine.enqueue("later", run_at=due)
    assert await engine.counts() == QueueCounts(delayed=1)
    await eventually(lambda: work.started == ["later"], "the job starts")
    late = datetime.now(UTC) - due
    assert timedelta(milliseconds=-2) <= late < timedelta(milliseconds=600)


async def test_oldest_due_tells_since_when_the_longest_waiting_job_of_a_queue_is_due(engine: Engine) -> None:
    """A job that was due before another came is the older one, whatever their order; one of later is none."""
    before_ms = to_ms(datetime.now(UTC))
    await engine.enqueue("first", key="chat")
    overdue = _soon(-60_000)
    await engine.enqueue("overdue", key="chat", run_at=overdue)
    await engine.enqueue("new", queue="narrow")
    await engine.enqueue("later", queue="far", run_at=_soon(60_000))
    found = await engine.db.read(engine.jobs.oldest_due)
    assert found["work"] == to_ms(overdue)
    assert before_ms <= found["narrow"] <= to_ms(datetime.now(UTC))
    assert "far" not in found


async def test_demand_counts_a_key_once_and_leaves_out_what_no_slot_could_begin(engine: Engine) -> None:
    """Of a chat only its first job counts; one for later does not count at all."""
    overdue = _soon(-60_000)
    for ref in ("first", "second"):
        await engine.enqueue(ref, key="chat", run_at=overdue)
    await engine.enqueue("alone")
    await engine.enqueue("later", run_at=_soon(60_000))
    await engine.enqueue("later", queue="narrow", run_at=_soon(60_000))
    found = await engine.db.read(engine.jobs.demand)
    assert found == {"work": Demand(running=0, startable=2, oldest_due_ms=to_ms(overdue))}


async def test_demand_counts_what_runs_and_not_what_waits_behind_it(engine: Engine) -> None:
    """A chat whose agent works asks for the slot that it has, however many messages it has waiting."""
    work = Recorder(gated=True)
    for ref in ("runs", "behind it", "behind it, too"):
        await engine.enqueue(ref, key="busy")
    engine.start(work)
    await eventually(lambda: work.started == ["runs"], "the first of the key runs")
    assert (await engine.db.read(engine.jobs.demand))["work"] == Demand(running=1)
    work.gate.set()
    await _empty(engine)
    assert "work" not in await engine.db.read(engine.jobs.demand)


async def test_delayed_job_does_not_hold_up_its_key(engine: Engine) -> None:
    """A later job of the key that is due goes before one that is not."""
    work = Recorder()
    await engine.enqueue("later", key="chat", run_at=_soon(1500))
    await engine.enqueue("now", key="chat")
    engine.start(work)
    await _empty(engine)
    assert work.started == ["now", "later"]


async def test_run_again_at_is_not_a_failure(engine: Engine) -> None:
    """A handler may say "not now" more often than it may fail, and its attempt stays the first."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)
        return RunAgainAt(_soon(5)) if len(attempts) < 6 else Done()

    engine.start(handler)
    await engine.enqueue()
    await _empty(engine)
    assert attempts == [1] * 6


# Failure


async def test_failing_job_is_retried_by_its_policy_and_then_kept_as_dead(engine: Engine) -> None:
    """A job that always raises is started `max_attempts` times and then stays as a dead letter."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)
        raise ValueError("no luck")

    engine.start(handler)
    await engine.enqueue()
    await eventually(lambda: len(attempts) == 3, "three tries")

    async def is_dead() -> bool:
        return await engine.counts() == QueueCounts(dead=1)

    await eventually(is_dead, "the job is dead")
    assert attempts == [1, 2, 3]


async def test_dead_key_does_not_hold_up_the_next_job(engine: Engine) -> None:
    """A dead letter leaves its key to the jobs behind it."""
    ended: list[str] = []

    async def handler(job: Job) -> Outcome:
        ended.append(job.ref)
        return Dead("poison") if job.ref == "bad" else Done()

    engine.start(handler)
    await engine.enqueue("bad", key="chat")
    await engine.enqueue("good", key="chat")
    await eventually(lambda: ended == ["bad", "good"], "the next one runs")


async def test_dead_job_can_be_retried_with_all_its_attempts_or_discarded(engine: Engine) -> None:
    """A dead letter runs again from attempt 1 when asked to, and can be removed."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)
        return Dead("as told")

    async def dead() -> bool:
        return (await engine.counts()).dead == 1

    engine.start(handler)
    await engine.enqueue("d")
    await eventually(dead, "the job is dead")
    assert await engine.db.write(lambda conn: engine.jobs.retry_dead(conn, kind="note", ref="d"))
    await eventually(lambda: attempts == [1, 1], "it runs again")
    await eventually(dead, "it is dead again")
    assert await engine.db.write(lambda conn: engine.jobs.discard_dead(conn, kind="note", ref="d"))
    assert await engine.counts() == QueueCounts()
    assert not await engine.db.write(lambda conn: engine.jobs.retry_dead(conn, kind="note", ref="d"))
    assert not await engine.db.write(lambda conn: engine.jobs.discard_dead(conn, kind="note", ref="d"))


async def test_dead_jobs_are_discarded_together_and_no_others(engine: Engine) -> None:
    """Of what is named, dead jobs of this kind go; a dead one that is not named, and one that waits, stay."""

    async def handler(job: Job) -> Outcome:
        return Dead(f"{job.ref} is poison")

    async def all_dead() -> bool:
        return await engine.counts() == QueueCounts(dead=3)

    engine.start(handler)
    for ref in ("a", "b", "c"):
        await engine.enqueue(ref)
    await eventually(all_dead, "three jobs are dead")

    def unit(conn: Connection) -> None:
        engine.jobs.enqueue(conn, queue="narrow", kind="unhandled", ref="a")
        engine.jobs.discard_all_dead(conn, kind="note", refs=["a", "b", "unknown"])
        engine.jobs.discard_all_dead(conn, kind="unhandled", refs=["a"])

    await engine.db.write(unit)
    assert await engine.counts() == QueueCounts(dead=1)
    assert await engine.db.read(lambda conn: engine.jobs.is_pending(conn, kind="unhandled", ref="a"))


async def test_answer_that_is_no_outcome_counts_as_a_failure(engine: Engine) -> None:
    """A handler that forgets to return an outcome is retried, not taken for done."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)
        return Done() if job.attempt == 2 else None  # type: ignore[return-value]  # the mistake under test

    engine.start(handler)
    await engine.enqueue()
    await _empty(engine)
    assert attempts == [1, 2]


# Finishing in the handler's own unit


async def test_finish_commits_the_effect_and_the_end_together(engine: Engine) -> None:
    """A handler may finish its job in its own unit; the worker then leaves it alone."""
    finished: list[Job] = []

    async def handler(job: Job) -> Outcome:
        def unit(conn: Connection) -> None:
            conn.execute(insert(audit).values(created_at=1, who="job", action="did", subject=job.ref))
            engine.jobs.finish(conn, job)

        await engine.db.write(unit)
        finished.append(job)
        return Done()

    engine.start(handler)
    for number in range(5):
        await engine.enqueue(str(number), key="chat")
    await _empty(engine)
    did = await engine.db.read(lambda conn: list(conn.scalars(select(audit.c.subject).order_by(audit.c.id))))
    assert did == ["0", "1", "2", "3", "4"]


async def test_finish_in_a_failed_unit_leaves_the_job_to_be_retried(engine: Engine) -> None:
    """When the unit that finishes the job is undone, so is the end of the job."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)

        def unit(conn: Connection) -> None:
            engine.jobs.finish(conn, job)
            if job.attempt == 1:
                raise ValueError("the rest of the unit failed")

        await engine.db.write(unit)
        return Done()

    engine.start(handler)
    await engine.enqueue()
    await _empty(engine)
    assert attempts == [1, 2]


async def test_failure_after_a_committed_finish_does_not_run_the_job_again(engine: Engine) -> None:
    """What is finished stays finished, whatever the handler does afterwards."""
    attempts: list[int] = []

    async def handler(job: Job) -> Outcome:
        attempts.append(job.attempt)
        await engine.db.write(lambda conn: engine.jobs.finish(conn, job))
        raise ValueError("too late to matter")

    engine.start(handler)
    await engine.enqueue("a", key="chat")
    await eventually(lambda: attempts == [1], "the job runs")
    await _empty(engine)
    await engine.enqueue("b", key="chat")
    await _empty(engine)
    assert attempts == [1, 1]


async def test_finish_of_an_older_claim_is_refused_and_undoes_its_unit(engine: Engine) -> None:
    """A worker whose claim was given away cannot write: its whole unit is refused."""
    refused: list[str] = []

    async def handler(job: Job) -> Outcome:
        def stale(conn: Connection) -> None:
            conn.execute(insert(audit).values(created_at=1, who="job", action="did", subject="stale"))
            engine.jobs.finish(conn, replace(job, epoch=job.epoch - 1))

        def twice(conn: Connection) -> None:
            engine.jobs.finish(conn, job)
            engine.jobs.finish(conn, job)

        for unit in (stale, twice):
            try:
                await engine.db.write(unit)
            except LeaseLost:
                refused.append(unit.__name__)
        return Done()

    engine.start(handler)
    await engine.enqueue()
    await _empty(engine)
    assert refused == ["stale", "twice"]
    assert await engine.db.read(lambda conn: list(conn.scalars(select(audit.c.subject)))) == []


# Cancelling


async def test_job_is_pending_while_it_waits_or_runs(engine: Engine) -> None:
    """Whoever asks is told of a delayed and of a running job, and of none once it is dead or gone."""
    work = Recorder(gated=True)
    await engine.enqueue("a")
    await engine.enqueue("later", run_at=_soon(60_000))
    assert await engine.is_pending("a")
    engine.start(work)
    await eventually(lambda: work.started == ["a"], "it runs")
    assert await engine.is_pending("a")
    assert await engine.is_pending("later")
    await engine.cancel("later")
    work.gate.set()
    await _empty(engine)
    assert not await engine.is_pending("a")
    assert not await engine.is_pending("later")


async def test_dead_job_is_not_pending(engine: Engine) -> None:
    """A dead letter is nobody's work."""

    async def refuse(job: Job) -> Outcome:
        return Dead(f"no {job.ref}")

    engine.start(refuse)
    await engine.enqueue("a")

    async def is_dead() -> bool:
        return (await engine.counts()).dead == 1

    await eventually(is_dead, "it is dead")
    assert not await engine.is_pending("a")


async def test_cancel_removes_a_waiting_job_and_lets_the_next_of_its_key_go(engine: Engine) -> None:
    """A waiting job that is cancelled never runs, and does not block those behind it."""
    work = Recorder(gated=True)
    engine.start(work)
    for ref in ("a", "b", "c"):
        await engine.enqueue(ref, key="chat")
    await eventually(lambda: work.started == ["a"], "the first runs")
    assert await engine.cancel("b") is CancelResult.REMOVED
    assert await engine.cancel("b") is CancelResult.ABSENT
    work.gate.set()
    await _empty(engine)
    assert work.ended == ["a", "c"]


async def test_cancel_that_keeps_makes_a_delayed_job_due_now(engine: Engine) -> None:
    """A delayed job whose work has begun is not removed by a cancel, but handed to its handler at once."""
    work = Recorder()
    engine.start(work)
    await engine.enqueue("a", key="chat", run_at=_soon(60_000))
    assert await engine.cancel("a", keep=True) is CancelResult.HASTENED
    await _empty(engine)
    assert work.ended == ["a"]
    assert await engine.cancel("a", keep=True) is CancelResult.ABSENT


async def test_cancel_that_keeps_leaves_a_waiting_job_in_its_place(engine: Engine) -> None:
    """A job that waits behind another of its key still runs, and runs after it."""
    work = Recorder(gated=True)
    engine.start(work)
    for ref in ("a", "b", "c"):
        await engine.enqueue(ref, key="chat")
    await eventually(lambda: work.started == ["a"], "the first runs")
    assert await engine.cancel("b", keep=True) is CancelResult.HASTENED
    assert await engine.cancel("a", keep=True) is CancelResult.REQUESTED
    await eventually(lambda: "a" not in work.at_work, "its handler is cancelled")
    work.gate.set()
    await _empty(engine)
    assert work.ended == ["b", "c"]


async def test_cancel_stops_a_running_job_at_once(engine: Engine) -> None:
    """A running handler is cancelled within a second, its job leaves the queue, its key goes on."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("a", key="chat")
    await engine.enqueue("b", key="chat")
    await eventually(lambda: work.started == ["a"], "the first runs")
    asked = time.monotonic()
    assert await engine.cancel("a") is CancelResult.REQUESTED
    await eventually(lambda: "a" not in work.at_work, "its handler is cancelled")
    assert time.monotonic() - asked < 1.0
    await eventually(lambda: work.started == ["a", "b"], "the next runs")
    work.gate.set()
    await _empty(engine)
    assert work.ended == ["b"]


async def test_cancel_from_elsewhere_stops_a_running_job_within_a_second(engine: Engine) -> None:
    """A cancel that another process commits reaches the handler too."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("a")
    await eventually(lambda: work.started == ["a"], "the job runs")
    async with open_engine(engine.url) as elsewhere:
        asked = time.monotonic()
        assert await elsewhere.cancel("a") is CancelResult.REQUESTED
        await eventually(lambda: "a" not in work.at_work, "its handler is cancelled")
        assert time.monotonic() - asked < 1.0
    await _empty(engine)


async def test_cancel_running_reaches_this_process_alone_and_says_so(engine: Engine) -> None:
    """The worker cancels a handler it runs and denies one it does not."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("a")
    await eventually(lambda: work.started == ["a"], "the job runs")
    assert not engine.worker.cancel_running(kind="note", ref="b")
    assert engine.worker.cancel_running(kind="note", ref="a")
    await _empty(engine)
    assert work.ended == []


async def test_handler_that_cleans_up_after_a_cancel_decides_the_outcome(engine: Engine) -> None:
    """A cancelled handler may still write its end; what it returns counts."""
    started = asyncio.Event()

    async def handler(_: Job) -> Outcome:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return Dead("cancelled by hand")
        return Done()

    engine.start(handler)
    await engine.enqueue("a")
    await asyncio.wait_for(started.wait(), 5)
    await engine.cancel("a")

    async def is_dead() -> bool:
        return await engine.counts() == QueueCounts(dead=1)

    await eventually(is_dead, "the job is dead")


# Outside and the end


async def test_job_enqueued_by_another_process_is_noticed(engine: Engine) -> None:
    """What another connection commits is started long before the next look."""
    work = Recorder()
    engine.start(work)
    async with open_engine(engine.url) as elsewhere:
        committed = time.monotonic()
        await elsewhere.enqueue("from outside")
        await eventually(lambda: work.started == ["from outside"], "the job starts")
        assert time.monotonic() - committed < BEFORE_THE_NEXT_LOOK


async def test_drain_lets_handlers_end_and_claims_nothing_more(engine: Engine) -> None:
    """A drain waits for what runs and leaves what waits."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("running", queue="narrow")
    await eventually(lambda: work.started == ["running"], "the job runs")
    stopping = asyncio.create_task(engine.stop(timedelta(seconds=5)))
    await asyncio.sleep(0.05)
    await engine.enqueue("left")
    work.gate.set()
    await stopping
    assert work.ended == ["running"]
    assert await engine.counts() == QueueCounts(waiting=1)
    assert await engine.counts("narrow") == QueueCounts()


async def test_drain_serves_what_is_left_to_say(engine: Engine) -> None:
    """A queue that drains begins what is due until the very end, also what comes during the drain."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("running", queue="narrow")
    await eventually(lambda: work.started == ["running"], "the job runs")
    stopping = asyncio.create_task(engine.stop(timedelta(seconds=5)))
    await asyncio.sleep(0.05)
    await engine.enqueue("left")
    await engine.enqueue("answer", queue="answers")
    await engine.enqueue("later", queue="answers", run_at=_soon(60_000))
    work.gate.set()
    await stopping
    assert sorted(work.ended) == ["answer", "running"]
    assert await engine.counts() == QueueCounts(waiting=1)


async def test_drain_gives_back_what_does_not_end_in_its_grace(engine: Engine) -> None:
    """A handler that is cancelled by a drain leaves its job waiting, as if it had not been started."""
    work = Recorder(gated=True)
    engine.start(work)
    await engine.enqueue("long", key="chat")
    await eventually(lambda: work.started == ["long"], "the job runs")
    await engine.stop(timedelta(milliseconds=50))
    assert await engine.counts() == QueueCounts(waiting=1)
    async with open_engine(engine.url) as successor:
        again = Recorder()
        successor.start(again)
        await eventually(lambda: again.ended == ["long"], "the next start runs it")
        assert again.jobs[0].attempt == 1
        assert again.jobs[0].epoch > work.jobs[0].epoch


async def test_many_jobs_of_many_keys_all_run_exactly_once(engine: Engine) -> None:
    """Six hundred jobs over forty keys, enqueued while the worker runs: none lost, none doubled, in order."""
    work = Recorder()
    engine.start(work)
    refs = [f"{number % 40}:{number // 40:02}" for number in range(600)]
    for start in range(0, 600, 50):
        await asyncio.gather(
            *(engine.enqueue(ref, key=ref.split(":")[0]) for ref in refs[start : start + 50])
        )
    await _empty(engine)
    assert sorted(work.ended) == sorted(refs)


# Killed


async def _kill_in_the_middle(url: str, notes: Path) -> float:
    """Kill a worker process in the middle of a job, start another, return the seconds until it took over."""
    hanging = await asyncio.create_subprocess_exec(*_CHILD, url, str(notes), "hang", cwd=_TESTS)
    try:
        await eventually(lambda: "start a 1\n" in _text(notes), "the first worker starts the job", 15)
    finally:
        os.kill(hanging.pid, signal.SIGKILL)
        await hanging.wait()
    killed = time.monotonic()
    successor = await asyncio.create_subprocess_exec(*_CHILD, url, str(notes), cwd=_TESTS)
    try:
        await eventually(lambda: "end a\n" in _text(notes), "the second worker ends the job", 15)
        return time.monotonic() - killed
    finally:
        successor.kill()
        await successor.wait()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_killed_workers_job_is_taken_up_once_and_soon(engine: Engine, tmp_path: Path) -> None:
    """After `kill -9` in the middle of a handler, the next worker runs the job: two starts, one end."""
    notes = tmp_path / "notes"
    await engine.enqueue("a", key="chat")
    await engine.enqueue("b", key="chat")
    took = await _kill_in_the_middle(engine.url, notes)
    assert took < 10
    lines = _text(notes).splitlines()
    assert lines[:3] == ["start a 1", "start a 2", "end a"]
    assert lines.count("end a") == 1


async def test_finished_job_of_a_killed_worker_is_not_run_again(engine: Engine) -> None:
    """A job whose finish was committed is over, although its process died before it could say so."""
    claimed: list[Job] = []
    hold = asyncio.Event()

    async def handler(job: Job) -> Outcome:
        await engine.db.write(lambda conn: engine.jobs.finish(conn, job))
        claimed.append(job)
        await hold.wait()
        return Done()

    engine.start(handler)
    await engine.enqueue("done", key="chat")
    await eventually(lambda: claimed, "the job is finished")
    assert engine._running is not None
    engine._running.cancel()
    await asyncio.gather(engine._running, return_exceptions=True)
    engine._running = None
    async with open_engine(engine.url) as successor:
        work = Recorder()
        successor.start(work)
        await successor.enqueue("next", key="chat")
        await eventually(lambda: work.ended == ["next"], "the next job of the key runs", 15)
