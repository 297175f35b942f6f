"""The operator on each database: what it begins, in which order, and what becomes of how runs end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, text

from contract.job_engines import Engine
from contract.task_board import Board
from wireroom.clock import from_ms
from wireroom.delivery.hours import read_quiet_hours
from wireroom.delivery.outbox import Recipient
from wireroom.errors import Conflict
from wireroom.jobs.port import RetryPolicy
from wireroom.runs.records import begin_attempt, note_errand
from wireroom.runs.states import RunState
from wireroom.store.schema import deliveries, runs, task_details
from wireroom.tasks import board
from wireroom.tasks.chat import TaskChat
from wireroom.tasks.choice import Candidate
from wireroom.tasks.listing import Wanted, count_by_status, count_tasks, list_tasks
from wireroom.tasks.notices import Notices
from wireroom.tasks.operator import OperatorPolicy
from wireroom.tasks.switch import call_of, clear_lock, is_locked, operator_status, turn_off
from wireroom.tasks.wake import QUEUE
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)
_MOVED = "☑️ The run of task 1 has ended: succeeded (2 s, $0.25). The task was moved and stays archived."
_RETRY = RetryPolicy(max_attempts=3, base=timedelta(seconds=10), cap=timedelta(minutes=1))


@pytest.fixture
async def desk(engine: Engine) -> Board:
    """Lend the board with its operator on, one task at a time."""
    lent = Board(engine, policy=OperatorPolicy(at_once=1, retry=_RETRY))
    await lent.on()
    return lent


async def test_tasks_begin_in_the_boards_order(desk: Board) -> None:
    """Lowest order, then lowest id, one at a time: the next begins when the one before it has ended."""
    late, first, second = await desk.add(order=5), await desk.add(order=1), await desk.add(order=1)
    seen = []
    for _ in range(3):
        [claimed] = await desk.look()
        assert await desk.begun() == []
        seen.append(claimed.task_id)
        await desk.end(claimed.run_id)
    assert seen == [first, second, late]


async def test_several_begin_at_once_if_they_may(desk: Board) -> None:
    """N at a time, in one look."""
    ids = [await desk.add() for _ in range(5)]
    desk.policy = OperatorPolicy(at_once=3)
    assert await desk.begun() == ids[:3]
    assert await desk.begun() == []


async def test_claim_is_row_run_and_job_together(desk: Board) -> None:
    """The task is in progress, its run has the stored request id, works apart and unattended."""
    task_id = await desk.add("tidy up", repository="app", branch="dev", backend="claude")
    [claimed] = await desk.look()
    task = await desk.task(task_id)
    assert (task.label, task.run_id) == ("in_progress", claimed.run_id)
    run = await desk.engine.db.read(lambda conn: conn.execute(select(runs)).one())
    assert (run.request_id, run.source, run.prompt, run.backend) == (
        f"task-{task_id}-1",
        "task",
        "tidy up",
        "claude",
    )
    assert run.workdir == "/repositories/app"
    assert run.options == '{"repository":"app","branch_name":"dev","worktree":true,"unattended":true}'
    assert (await desk.engine.counts("runs")).waiting == 1
    [attempt] = await desk.attempts(task_id)
    assert (attempt.number, attempt.state, attempt.request_id) == (1, "running", run.request_id)


async def test_remote_task_works_in_the_repository_over_there(desk: Board) -> None:
    """The repository is named to the remote runner; nothing is checked out here."""
    await desk.add(repository="app", backend="remote")
    await desk.look()
    run = await desk.engine.db.read(lambda conn: conn.execute(select(runs)).one())
    assert run.options == '{"repository":"app","unattended":true}'
    assert run.workdir.startswith("/scratch/")


async def test_success_is_complete_with_all_that_came_of_it(desk: Board) -> None:
    """Result, time and cost are kept; the row says complete."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.end(claimed.run_id, said="all tidy")
    await desk.look()
    assert (await desk.task(task_id)).label == "complete"
    [attempt] = await desk.attempts(task_id)
    assert (attempt.state, attempt.result, attempt.error, attempt.cost_usd) == (
        "succeeded",
        "all tidy",
        None,
        0.25,
    )
    assert attempt.finished_at == attempt.started_at + 2_000


@pytest.mark.parametrize(
    "state", [RunState.EXHAUSTED, RunState.TIMED_OUT, RunState.FAILED, RunState.INTERRUPTED]
)
async def test_only_success_is_complete(desk: Board, state: RunState) -> None:
    """A run that ended otherwise leaves its task ready, for later, with the reason."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.end(claimed.run_id, state, "no luck")
    await desk.look()
    task = await desk.task(task_id)
    assert (task.label, task.failures, task.reason) == ("ready", 1, "because no luck")
    assert task.next_try_at == desk.now_ms + 10_000


async def test_restart_with_a_task_in_flight_applies_its_late_end(desk: Board) -> None:
    """Contract C1 5: the operator that sees the end is not the one that began; nothing is sent twice."""
    task_id = await desk.add()
    other = await desk.add(order=1)
    [claimed] = await desk.look()
    assert await desk.begun() == []
    await desk.end(claimed.run_id)
    assert await desk.begun() == [other]
    assert (await desk.task(task_id)).label == "complete"
    assert [request for request, _ in await desk.runs()] == [f"task-{task_id}-1", f"task-{other}-1"]


async def test_failing_task_neither_blocks_nor_goes_on_for_ever(desk: Board) -> None:
    """Contract C1 6: those behind it go on; it is tried with growing waits, then given up, visibly."""
    bad = await desk.add("bad")
    good = [await desk.add(f"good {number}", order=1) for number in range(3)]
    begun: list[int] = []
    for _ in range(60):
        for claimed in await desk.look():
            begun.append(claimed.task_id)
            failed = claimed.task_id == bad
            await desk.end(claimed.run_id, RunState.FAILED if failed else RunState.SUCCEEDED)
        desk.clock.advance(1)
    assert begun[:4] == [bad, *good]
    assert begun.count(bad) == 3
    task = await desk.task(bad)
    assert (task.label, task.is_dead, task.failures) == ("backlogged", True, 3)
    assert [attempt.state for attempt in await desk.attempts(bad)] == ["failed"] * 3
    assert (await desk.engine.db.read(operator_status)).counts["dead"] == 1


@pytest.mark.parametrize("way", ["retry", "edit", "plain SQL"])
async def test_task_that_was_given_up_can_be_tried_again(desk: Board, way: str) -> None:
    """By the command, by an edit, and by whoever writes the row: it is ready as if it had never failed."""
    desk.policy = OperatorPolicy(retry=RetryPolicy(max_attempts=1))
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.end(claimed.run_id, RunState.FAILED)
    assert await desk.begun() == []
    assert (await desk.task(task_id)).is_dead
    match way:
        case "retry":
            await desk.engine.db.write(
                lambda conn: board.retry_task(conn, desk.engine.jobs, task_id, desk.now_ms)
            )
        case "edit":
            await desk.edit(task_id, status=0)
        case _:
            await desk.sql("UPDATE tasks SET status = 0")
    assert await desk.begun() == [task_id]
    task = await desk.task(task_id)
    assert (task.is_dead, task.failures) == (False, 0)
    assert [attempt.number for attempt in await desk.attempts(task_id)] == [2, 1]


@pytest.mark.parametrize("status", [2, 3, 1, 0])
@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED])
async def test_status_that_somebody_set_meanwhile_stays(desk: Board, status: int, state: RunState) -> None:
    """Contract C1 13: an archived task stays archived, whatever its run says; what it said is kept."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.sql("UPDATE tasks SET status = :status", status=status)
    await desk.end(claimed.run_id, state, "said")
    await desk.engine.db.write(lambda conn: turn_off(conn, who="test", now_ms=desk.now_ms))
    await desk.look()
    task = await desk.task(task_id)
    assert (task.status, task.run_id, task.is_dead) == (status, None, False)
    [attempt] = await desk.attempts(task_id)
    assert (attempt.state, attempt.result) == (state.value, "said")


async def test_failing_task_that_is_made_ready_at_once_waits_all_the_same(desk: Board) -> None:
    """An older service that starts sets everything back to ready: that must not make a failing task spin."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.sql("UPDATE tasks SET status = 0")
    await desk.end(claimed.run_id, RunState.FAILED)
    assert await desk.begun() == []
    task = await desk.task(task_id)
    assert (task.label, task.failures, task.next_try_at) == ("ready", 1, desk.now_ms + 10_000)


async def test_task_that_takes_a_day_is_not_begun_twice(desk: Board) -> None:
    """Contract C1 14: nothing expires while its run works."""
    await desk.add()
    await desk.look()
    desk.clock.advance(timedelta(days=1))
    assert await desk.begun() == []
    assert len(await desk.runs()) == 1


async def test_task_in_progress_elsewhere_is_taken_up_only_when_it_is_stuck(desk: Board) -> None:
    """Another program's task is left to it while its row is fresh, and begun after an hour without change."""
    task_id = await desk.add(status=4)
    assert await desk.begun() == []
    desk.clock.advance(timedelta(minutes=59))
    assert await desk.begun() == []
    desk.clock.advance(timedelta(minutes=2))
    assert await desk.begun() == [task_id]


async def test_task_in_progress_without_a_time_is_stuck(desk: Board) -> None:
    """The older service's rows may have no `updatedat`: nobody can be at work on them for sure."""
    task_id = await desk.add(status=4)
    await desk.sql("UPDATE tasks SET updatedat = NULL")
    assert await desk.begun() == [task_id]


async def test_dependencies_are_waited_for(desk: Board) -> None:
    """A task begins when all that it needs is complete or archived; a failure holds it back."""
    first, second = await desk.add(order=9), await desk.add(order=9, status=3)
    last = await desk.add(needs=[first, second])
    [claimed] = await desk.look()
    assert claimed.task_id == first
    await desk.end(claimed.run_id)
    assert await desk.begun() == []
    await desk.edit(second, status=2)
    assert await desk.begun() == [last]


async def test_labels_with_a_limit_do_not_hold_others_back(desk: Board) -> None:
    """Two of a label at once at most; the task behind them begins instead."""
    desk.policy = OperatorPolicy(at_once=4)
    await desk.engine.db.write(lambda conn: board.set_limit(conn, desk.engine.jobs, "db", 2))
    ids = [await desk.add(labels=["db"]) for _ in range(3)]
    other = await desk.add(labels=["docs"])
    begun = await desk.look()
    assert [claimed.task_id for claimed in begun] == [*ids[:2], other]
    await desk.end(begun[0].run_id)
    assert await desk.begun() == [ids[2]]


async def test_time_to_wait_for_is_a_job_of_its_own(desk: Board) -> None:
    """A task with `not_before` begins then: a turn is asked for at that moment, beside those due now."""
    task_id = await desk.add(not_before="2026-01-01T13:00:00Z")
    assert await desk.begun() == []
    assert await desk.begun() == []
    counts = await desk.engine.counts(QUEUE)
    assert counts.waiting + counts.delayed == 2
    desk.clock.advance(timedelta(hours=1))
    assert await desk.begun() == [task_id]


async def test_off_begins_nothing_and_still_settles(desk: Board) -> None:
    """What is at work goes on and its end is noted."""
    task_id = await desk.add()
    await desk.add()
    [claimed] = await desk.look()
    await desk.sql("UPDATE system_settings SET value = 0")
    await desk.end(claimed.run_id)
    assert await desk.begun() == []
    assert (await desk.task(task_id)).label == "complete"


async def test_end_of_a_run_asks_for_a_turn_at_once(desk: Board) -> None:
    """Contract C1 9: in the transaction that ends the run, not by a poll."""
    await desk.add()
    [claimed] = await desk.look()
    await desk.sql(
        "DELETE FROM jobs" if desk.engine.db.dialect == "sqlite" else "DELETE FROM procrastinate_jobs"
    )
    await desk.end(claimed.run_id)
    assert (await desk.engine.counts(QUEUE)).waiting == 1


async def test_cancelled_run_sets_its_task_aside(desk: Board) -> None:
    """A person stopped it: it is backlogged, no failure, and not given up."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.end(claimed.run_id, RunState.CANCELLED)
    await desk.look()
    task = await desk.task(task_id)
    assert (task.label, task.failures, task.is_dead) == ("backlogged", 0, False)


async def test_cleared_lock_never_works_on_a_task_twice(desk: Board) -> None:
    """What is at work is stopped and ready; it begins again only once its run has ended, as no failure."""
    task_id = await desk.add()
    foreign = await desk.add(status=4, order=1)
    [claimed] = await desk.look()
    assert await desk.engine.db.read(is_locked)

    def clear(conn: object) -> int:
        return clear_lock(conn, desk.engine.jobs, desk.now_ms)  # type: ignore[arg-type]  # a unit's connection

    await desk.engine.db.write(
        lambda conn: conn.execute(runs.update().values(state="running", started_at=1, epoch=1))
    )
    assert await desk.engine.db.write(clear) == 2
    assert not await desk.engine.db.read(is_locked)
    assert await desk.begun() == []
    await desk.engine.db.write(lambda conn: conn.execute(runs.update().values(state="cancelled")))
    [again] = await desk.look()
    assert (again.task_id, again.number) == (task_id, 2)
    assert (await desk.task(task_id)).failures == 0
    assert (await desk.task(foreign)).label == "ready"
    assert again.run_id != claimed.run_id


async def test_task_that_its_agent_completes_is_at_work_until_its_run_ends(desk: Board) -> None:
    """It takes a place, so people are shown it, and can stop it; what the board says of it stays."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.edit(task_id, status=1)
    standing = await desk.engine.db.read(operator_status)
    assert (standing.at_work, standing.foreign) == ({task_id: claimed.run_id}, ())
    assert await desk.engine.db.read(is_locked)
    freed = await desk.engine.db.write(lambda conn: clear_lock(conn, desk.engine.jobs, desk.now_ms))
    assert (freed, [state for _, state in await desk.runs()]) == (1, ["cancelled"])
    assert await desk.begun() == []
    assert (await desk.task(task_id)).label == "complete"


async def test_given_up_is_what_nobody_has_moved_since(desk: Board) -> None:
    """Whoever archives a task that was given up has dealt with it: it is no dead letter any more."""
    desk.policy = OperatorPolicy(retry=RetryPolicy(max_attempts=1))
    ids = [await desk.add(), await desk.add(order=1)]
    for _ in ids:
        [claimed] = await desk.look()
        await desk.end(claimed.run_id, RunState.FAILED)
    await desk.look()
    await desk.edit(ids[0], status=2)

    def dead(conn: Connection) -> tuple[list[int], int, int]:
        wanted = Wanted(dead_only=True)
        listed = [task.id for task in list_tasks(conn, wanted)]
        return listed, count_tasks(conn, wanted), count_by_status(conn)["dead"]

    assert await desk.engine.db.read(dead) == ([ids[1]], 1, 1)
    assert [(await desk.task(task_id)).is_dead for task_id in ids] == [False, True]


async def test_tasks_are_listed_by_their_conversation(desk: Board) -> None:
    """The older web client's filter: the tasks that were worked on in it."""
    task_id = await desk.add()
    await desk.add(order=1)
    await desk.look()
    run = await desk.engine.db.read(lambda conn: conn.execute(select(runs)).one())
    wanted = Wanted(conversation_id=run.conversation_id)
    listed = await desk.engine.db.read(lambda conn: list_tasks(conn, wanted))
    assert [task.id for task in listed] == [task_id]


async def test_callback_finds_what_a_runner_was_given_before_a_restart(desk: Board) -> None:
    """The next attempt waits for the errand of the one before it, so a late result goes there."""
    task_id = await desk.add(backend="remote")
    [claimed] = await desk.look()

    def restarted(conn: Connection) -> str:
        for _ in range(2):
            attempt = begin_attempt(conn, claimed.run_id, worker="w", now_ms=1, lease_ms=1)
            assert attempt is not None
            given = note_errand(conn, attempt)
        return given

    given = await desk.engine.db.write(restarted)
    assert given == f"{claimed.run_id}.1"
    assert await desk.engine.db.read(lambda conn: call_of(conn, f"task-{task_id}-1")) == given
    assert await desk.engine.db.read(lambda conn: call_of(conn, "of nobody")) == "of nobody"


async def test_task_at_work_is_not_retried(desk: Board) -> None:
    """The caller is told which run to cancel."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    with pytest.raises(Conflict, match=claimed.run_id):
        await desk.engine.db.write(
            lambda conn: board.retry_task(conn, desk.engine.jobs, task_id, desk.now_ms)
        )


@pytest.mark.parametrize("way", ["our delete", "plain SQL"])
async def test_deleted_task_is_let_go_when_its_run_ends(desk: Board, way: str) -> None:
    """Nothing of it stays, and its end troubles nobody."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    if way == "plain SQL":
        await desk.sql("DELETE FROM tasks")
        await desk.end(claimed.run_id)
    else:
        await desk.engine.db.write(
            lambda conn: board.delete_task(conn, desk.engine.jobs, task_id, desk.now_ms)
        )
    assert await desk.begun() == []
    assert await desk.rows(task_details) == []
    assert [state for _, state in await desk.runs()] == ["succeeded" if way == "plain SQL" else "cancelled"]


async def test_run_that_is_gone_counts_as_interrupted(desk: Board) -> None:
    """Whoever deleted it: the task does not hang."""
    task_id = await desk.add()
    await desk.look()
    await desk.sql("UPDATE task_details SET run_id = 'gone'")
    await desk.look()
    assert (await desk.task(task_id)).failures == 1


async def test_id_of_a_deleted_task_gets_fresh_request_ids(desk: Board) -> None:
    """A file whose ids are given anew does not join the runs of an older task."""
    task_id = await desk.add()
    [claimed] = await desk.look()
    await desk.end(claimed.run_id)
    await desk.look()
    await desk.engine.db.write(lambda conn: board.delete_task(conn, desk.engine.jobs, task_id, desk.now_ms))
    await desk.sql("INSERT INTO tasks (id, prompt) VALUES (:id, 'another')", id=task_id)
    [again] = await desk.look()
    assert again.number == 2
    assert [request for request, _ in await desk.runs()] == [f"task-{task_id}-1", f"task-{task_id}-2"]


async def test_claim_of_a_task_that_another_worker_holds_is_refused(desk: Board) -> None:
    """The fence: a worker that has slept since it looked writes nothing."""
    task_id = await desk.add()
    seen = Candidate(task_id, 0, 0, None)
    hiring = desk.operator._hiring  # the claim itself, without the look before it
    await desk.look()
    assert await desk.engine.db.write(lambda conn: hiring.claim(conn, seen, desk.now_ms)) is None
    await desk.sql("UPDATE tasks SET status = 0")
    with pytest.raises(Conflict, match="held by another worker"):
        await desk.engine.db.write(lambda conn: hiring.claim(conn, seen, desk.now_ms))
    assert len(await desk.runs()) == 1


async def test_odd_orders_of_other_programs_do_not_stop_the_board(desk: Board) -> None:
    """A negative order goes first; on SQLite anything may stand there."""
    last, first = await desk.add(order=2_000_000_000), await desk.add(order=-5)
    if desk.engine.db.dialect == "sqlite":
        await desk.sql("UPDATE tasks SET \"order\" = 'weird' WHERE id = :id", id=last)
    [claimed] = await desk.look()
    assert claimed.task_id == first
    await desk.end(claimed.run_id)
    assert await desk.begun() == [last]


async def test_chat_is_told_at_once_or_when_quiet_hours_end(desk: Board) -> None:
    """Start, end and failure are messages of the same transaction; at night they wait, and none is lost."""
    desk.clock = ManualClock(datetime(2040, 1, 1, 12, tzinfo=UTC))
    to = Recipient("telegram:1:5:0", 1, 5)
    desk.notices = Notices(to, read_quiet_hours("22:00-07:00", "UTC"))
    task_id = await desk.add("tidy up")
    [claimed] = await desk.look()
    assert (await desk.engine.counts("delivery")).waiting == 1
    desk.clock.advance(timedelta(hours=11))
    await desk.end(claimed.run_id, RunState.FAILED, "no luck")
    await desk.look()
    bodies = [row.body for row in await desk.rows(deliveries)]
    assert bodies == [
        f"▶️ Task {task_id}: tidy up",
        f"⚠️ Task {task_id} failed, once so far; again at 23:00 UTC: because no luck",
    ]
    counts = await desk.engine.counts("delivery")
    assert (counts.waiting, counts.delayed) == (1, 1)
    due = await desk.engine.db.read(_latest_due)
    assert due == datetime(2040, 1, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (1, "✅ Task 1 is complete (2 s, $0.25): all tidy"),
        (
            2,
            _MOVED + "\n\nall tidy",
        ),
    ],
)
async def test_chat_hears_of_every_end(desk: Board, status: int, told: str) -> None:
    """Also when somebody, perhaps the agent itself, has moved the task while its run went on."""
    desk.notices = Notices(Recipient("telegram:1:5:0", 1, 5))
    task_id = await desk.add("tidy up")
    [claimed] = await desk.look()
    await desk.edit(task_id, status=status)
    await desk.end(claimed.run_id, said="all tidy")
    await desk.look()
    assert [row.body for row in await desk.rows(deliveries)][1:] == [told]


async def test_given_up_task_is_tried_again_from_a_chat(desk: Board) -> None:
    """`/task retry 1`, as the message says that tells of it; what cannot be is said."""
    desk.policy = OperatorPolicy(retry=RetryPolicy(max_attempts=1))
    task_id = await desk.add()
    [claimed] = await desk.look()
    chat = TaskChat(desk.engine.jobs)

    async def says(text: str) -> str:
        return await desk.engine.db.write(lambda conn: chat.add(conn, text, desk.now_ms))

    assert claimed.run_id in await says(f"retry {task_id}")
    await desk.end(claimed.run_id, RunState.FAILED)
    await desk.look()
    assert await says("Retry #99") == "Task not found"
    assert await says(f"retry {task_id}") == f"🔁 Task {task_id} is ready again."
    assert await desk.begun() == [task_id]


def _latest_due(conn: Connection) -> datetime:
    """Return when the last of the delivery jobs is due."""
    if conn.dialect.name == "sqlite":
        found = conn.execute(text("SELECT max(run_at) FROM jobs WHERE queue = 'delivery'")).scalar_one()
        return from_ms(found)
    query = text("SELECT max(scheduled_at) FROM procrastinate_jobs WHERE queue_name = 'delivery'")
    due: datetime = conn.execute(query).scalar_one()
    return due.astimezone(UTC)
