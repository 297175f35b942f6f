"""The board's units on each database: what is added, changed and refused, and what others' rows mean."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from contract.job_engines import Engine, open_engine
from contract.task_board import Board
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.store.migrate import with_driver
from wireroom.store.schema import task_attempts, task_dependencies, task_details
from wireroom.tasks import board
from wireroom.tasks.dependencies import needs_by_task, needs_of, set_needs
from wireroom.tasks.listing import Wanted, count_by_status, count_tasks, list_tasks
from wireroom.tasks.wake import KIND
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.timeout(60)
_WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'task_dependencies'::regclass"


@pytest.fixture
def desk(engine: Engine) -> Board:
    """Lend the board."""
    return Board(engine)


async def test_task_is_added_as_other_programs_know_it(desk: Board) -> None:
    """The known columns are filled, the uuid is left to whoever gives one."""
    task = await desk.task(await desk.add("tidy up", order=3, repository="app", labels=["b", "a"]))
    assert (task.prompt, task.order, task.status, task.label, task.uuid) == ("tidy up", 3, 0, "ready", None)
    assert task.createdat == task.updatedat == "2026-01-01T12:00:00.000Z"
    assert (task.repository, task.labels, task.failures, task.is_dead) == ("app", ("a", "b"), 0, False)


async def test_plain_task_has_no_row_beside_it(desk: Board) -> None:
    """What says nothing beyond the known table is stored in it alone."""
    await desk.add()
    assert await desk.rows(task_details) == []


async def test_edit_changes_what_is_said_and_nothing_else(desk: Board) -> None:
    """A field that is not named stays, `updatedat` moves; an empty edit changes nothing."""
    task_id = await desk.add("one", order=5, labels=["x"])
    desk.clock.advance(1)
    changed = await desk.edit(task_id, prompt="two", branch="main")
    assert (changed.prompt, changed.order, changed.labels, changed.branch) == ("two", 5, ("x",), "main")
    assert changed.updatedat == "2026-01-01T12:00:01.000Z"
    desk.clock.advance(1)
    assert await desk.edit(task_id) == changed


async def test_edit_of_a_task_that_was_changed_meanwhile_is_refused(desk: Board) -> None:
    """Whoever names the `updatedat` that they saw does not overwrite what came after it."""
    task_id = await desk.add()
    seen = (await desk.task(task_id)).updatedat
    desk.clock.advance(1)
    await desk.edit(task_id, order=1, updatedat=seen)
    with pytest.raises(Conflict, match="changed meanwhile"):
        await desk.edit(task_id, order=2, updatedat=seen)
    assert (await desk.task(task_id)).order == 1


async def test_time_seen_counts_in_either_form(desk: Board) -> None:
    """`2026-01-01 12:00:00`, as SQLite writes it, is the moment that we send as `…T12:00:00.000Z`."""
    task_id = await desk.add()
    await desk.sql("UPDATE tasks SET updatedat = '2026-01-01 12:00:00'")
    assert (await desk.edit(task_id, order=1, updatedat="2026-01-01T12:00:00.000Z")).order == 1


@pytest.mark.parametrize("action", [board.retry_task, board.delete_task])
async def test_unknown_task_is_not_found(desk: Board, action: Callable[..., object]) -> None:
    """Nothing is made up."""
    with pytest.raises(NotFound, match="Task not found"):
        await desk.engine.db.write(lambda conn: action(conn, desk.engine.jobs, 9, desk.now_ms))


async def test_deleted_task_leaves_nothing(desk: Board) -> None:
    """Details, attempts and dependencies go with it, on both sides."""
    first = await desk.add(labels=["x"])
    second = await desk.add(needs=[first])
    await desk.add(needs=[second])
    for task_id in (second, first):
        await desk.delete(task_id)
    for table in (task_dependencies, task_details, task_attempts):
        assert await desk.rows(table) == []


async def test_dependencies_that_close_a_circle_are_refused(desk: Board) -> None:
    """The message names the way round; the older dependencies stay."""
    first = await desk.add()
    second = await desk.add(needs=[first])
    third = await desk.add(needs=[second])
    with pytest.raises(BadInput, match=f"{first} → {third} → {second} → {first}"):
        await desk.edit(first, needs=[third])
    with pytest.raises(BadInput, match=f"{first} → {first}"):
        await desk.edit(first, needs=[first])
    assert await desk.engine.db.read(lambda conn: needs_of(conn, second)) == (first,)


@pytest.mark.postgres
async def test_halves_of_a_circle_do_not_pass_each_other(postgres: PostgresServer) -> None:
    """Two callers at once on PostgreSQL: the later one waits, sees the first one's half, and is refused."""
    with postgres.database() as url:
        async with open_engine(url) as lent:
            desk = Board(lent)
            first, second = await desk.add(), await desk.add()
            with create_engine(with_driver(url), poolclass=NullPool).begin() as other:
                set_needs(other, first, [second])
                late = asyncio.create_task(desk.edit(second, needs=[first]))

                async def waits() -> bool:
                    return bool(await desk.engine.db.read(lambda conn: conn.scalar(text(_WAITING))))

                await eventually(waits, "the later one waits", 20)
            with pytest.raises(BadInput, match="circle"):
                await late


async def test_dependency_on_no_task_is_refused(desk: Board) -> None:
    """The task is not added at all."""
    with pytest.raises(BadInput, match="there is no task 99"):
        await desk.add(needs=[99])
    assert await desk.engine.db.read(lambda conn: count_tasks(conn, Wanted())) == 0


async def test_list_is_filtered_sorted_and_paged(desk: Board) -> None:
    """By order and id unless said otherwise; the count is that of all pages."""
    for order, status in ((2, 0), (1, 0), (1, 3), (0, 0)):
        await desk.add(f"{order}/{status}", order=order, status=status)
        desk.clock.advance(1)

    async def listed(**wanted: object) -> list[str]:
        found = await desk.engine.db.read(lambda conn: list_tasks(conn, Wanted(**wanted)))  # type: ignore[arg-type]  # as named
        return [task.prompt for task in found]

    assert await listed() == ["0/0", "1/0", "1/3", "2/0"]
    assert await listed(status=0) == ["0/0", "1/0", "2/0"]
    assert await listed(sort_by="createdat", newest_first=True, limit=2) == ["0/0", "1/3"]
    assert await listed(limit=1, offset=2) == ["1/3"]
    assert await desk.engine.db.read(lambda conn: count_tasks(conn, Wanted(status=0, limit=1))) == 3


async def test_times_in_both_forms_are_sorted_as_times(desk: Board) -> None:
    """A row that another program has written at noon comes after ours of the morning."""
    first, second = await desk.add("first"), await desk.add("second")
    await desk.sql("UPDATE tasks SET createdat = '2026-01-01 12:00:00' WHERE id = :id", id=second)
    await desk.sql("UPDATE tasks SET createdat = '2026-01-01T08:00:00.000Z' WHERE id = :id", id=first)
    found = await desk.engine.db.read(lambda conn: list_tasks(conn, Wanted(sort_by="createdat")))
    assert [task.id for task in found] == [first, second]


async def test_what_tasks_wait_for_is_read_at_once(desk: Board) -> None:
    """One query for a page, whatever its length."""
    first = await desk.add()
    second = await desk.add(needs=[first])
    assert await desk.engine.db.read(lambda conn: needs_by_task(conn, [first, second])) == {second: (first,)}


async def test_counts_are_by_label(desk: Board) -> None:
    """Every label is there, also with nothing in it."""
    await desk.add(status=3)
    assert await desk.engine.db.read(count_by_status) == {
        "ready": 0,
        "complete": 0,
        "archived": 0,
        "backlogged": 1,
        "in_progress": 0,
        "dead": 0,
    }


async def test_operator_is_woken_only_when_it_is_on(desk: Board) -> None:
    """A task asks for one turn, however many tasks come; nobody is asked while the operator is off."""

    async def turns() -> int:
        counts = await desk.engine.db.read(desk.engine.jobs.counts)
        return counts["tasks"].waiting if "tasks" in counts else 0

    await desk.add()
    assert await turns() == 0
    await desk.on()
    await desk.add()
    await desk.add()
    assert await turns() == 1
    assert KIND == "task-turn"


@pytest.mark.parametrize("limit", [0, -1])
async def test_limit_that_lets_nothing_begin_is_refused(desk: Board, limit: int) -> None:
    """A label is held back by backlogging its tasks, which can be seen."""
    with pytest.raises(BadInput, match="at least 1"):
        await desk.engine.db.write(lambda conn: board.set_limit(conn, desk.engine.jobs, "x", limit))


async def test_row_of_another_program_is_a_task(desk: Board) -> None:
    """With nothing but a prompt it is ready, with the times that the database gave it."""
    await desk.engine.db.write(
        lambda conn: conn.execute(text("INSERT INTO tasks (prompt) VALUES ('theirs')"))
    )
    [task] = await desk.engine.db.read(lambda conn: list_tasks(conn, Wanted()))
    assert (task.prompt, task.status, task.order, task.labels) == ("theirs", 0, 0, ())
