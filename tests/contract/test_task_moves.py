"""Moves on the board, on each database: where a task stands afterwards, and whose numbers changed for it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from contract.job_engines import Engine, open_engine
from contract.task_board import Board
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.store.schema import tasks
from wireroom.tasks.columns import Column, Sought, Window, count_columns, find_cards, show_window
from wireroom.tasks.moving import STEP, End, Move, Place, add_at, move_task, order_between
from wireroom.tasks.requests import read_fields
from wireroom.tasks.rows import TaskView
from wireroom.tasks.states import TaskStatus

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def desk(engine: Engine) -> Board:
    """Lend an empty board on each kind of database in turn; no worker runs."""
    return Board(engine)


async def move(desk: Board, task_id: int, **to: Any) -> TaskView:
    """Move a task."""
    return await desk.engine.db.write(
        lambda conn: move_task(conn, desk.engine.jobs, task_id, Move(**to), desk.now_ms)
    )


async def standing(desk: Board, status: TaskStatus = TaskStatus.READY) -> list[int]:
    """Return the tasks of a column as every program reads them."""
    query = select(tasks.c.id).where(tasks.c.status == int(status)).order_by(tasks.c.order, tasks.c.id)
    return await desk.engine.db.read(lambda conn: [row[0] for row in conn.execute(query)])


async def test_task_goes_between_others_of_one_order(desk: Board) -> None:
    """Among tasks that all have order 0 only those above go down, and theirs is no change of theirs."""
    ids = [await desk.add() for _ in range(5)]
    desk.clock.advance(1)
    moved = await move(desk, ids[4], after=ids[1])
    assert await standing(desk) == [ids[0], ids[1], ids[4], ids[2], ids[3]]
    assert [(await desk.task(one)).order for one in ids] == [-2 * STEP, -STEP, 0, 0, -STEP // 2]
    assert moved.updatedat != (await desk.task(ids[0])).updatedat == (await desk.task(ids[2])).updatedat


async def test_small_numbers_of_other_programs_keep_their_order(desk: Board) -> None:
    """A list numbered 1, 2, 3, 4 leaves no room: what has to give way does, the rest keeps its numbers."""
    ids = [await desk.add(order=order) for order in (1, 2, 3, 4)]
    await move(desk, ids[3], before=ids[1])
    assert await standing(desk) == [ids[0], ids[3], ids[1], ids[2]]
    assert [(await desk.task(one)).order for one in ids[1:3]] == [2, 3]


async def test_ends_and_other_columns(desk: Board) -> None:
    """A task goes to the top, to the end, or into a column where nobody stands yet."""
    first, second, third = [await desk.add(order=order) for order in (5, 6, 7)]
    await move(desk, third, at=End.TOP)
    await move(desk, first, at=End.END)
    assert await standing(desk) == [third, second, first]
    away = await move(desk, second, status=TaskStatus.BACKLOGGED)
    assert (away.status, away.order) == (3, 6)
    assert await standing(desk) == [third, first]


async def test_place_that_it_has_changes_nothing(desk: Board) -> None:
    """Neither its number nor its time."""
    first, second = await desk.add(order=1), await desk.add(order=2)
    before = await desk.task(second)
    desk.clock.advance(1)
    assert await move(desk, second, after=first) == before


async def test_new_task_of_another_program_comes_last_among_zeros(desk: Board) -> None:
    """Moving things about lets what is added without an order come behind what stood there."""
    ids = [await desk.add() for _ in range(4)]
    await move(desk, ids[3], before=ids[1])
    assert (await standing(desk))[-1] == ids[2]
    added = await desk.add()
    assert (await standing(desk))[-1] == added


async def test_end_of_a_column_is_behind_every_number(desk: Board) -> None:
    """A task that is added at an end stands there, whatever numbers the others have."""
    low, high = await desk.add(order=-7), await desk.add(order=7)
    said = read_fields({"prompt": "x"}, new=True)

    async def added(at: End) -> int:
        task = await desk.engine.db.write(lambda conn: add_at(conn, desk.engine.jobs, said, at, desk.now_ms))
        return task.id

    last, first = await added(End.END), await added(End.TOP)
    assert await standing(desk) == [first, low, high, last]


async def test_neighbour_that_left_is_told_or_replaced_by_the_other(desk: Board) -> None:
    """What two people move at once lands beside whoever is still there; with nobody there, nothing moves."""
    ids = [await desk.add(order=order) for order in (1, 5, 9)]
    await move(desk, ids[1], status=TaskStatus.COMPLETE)
    await move(desk, ids[0], after=ids[1], before=ids[2])
    assert await standing(desk) == [ids[0], ids[2]]
    with pytest.raises(Conflict, match="have left that column"):
        await move(desk, ids[0], after=ids[1])


async def test_task_that_went_elsewhere_is_not_moved(desk: Board) -> None:
    """Whoever says where they saw it does not pull back what another has begun."""
    task_id = await desk.add()
    await desk.edit(task_id, status=4)
    with pytest.raises(Conflict, match="is in progress by now"):
        await move(desk, task_id, status=TaskStatus.ARCHIVED, seen=0)
    with pytest.raises(BadInput, match="beside itself"):
        await move(desk, task_id, after=task_id)
    with pytest.raises(NotFound):
        await move(desk, 999)


async def test_given_up_task_becomes_an_ordinary_one_where_it_is_moved_to(desk: Board) -> None:
    """In the backlog and among the ready ones alike; a move that names no column leaves it given up."""
    ids = [await desk.add(status=3, labels=["x"]) for _ in range(2)]
    await desk.sql("UPDATE task_details SET is_dead = 1, failures = 3, reason = 'x'")
    assert (await move(desk, ids[1], before=ids[0])).is_dead
    for task_id, status in zip(ids, (TaskStatus.BACKLOGGED, TaskStatus.READY), strict=True):
        moved = await move(desk, task_id, status=status)
        assert (moved.status, moved.is_dead, moved.failures) == (int(status), False, 0)


async def test_many_moves_at_once_leave_one_order(desk: Board) -> None:
    """Each of 60 moves, four at a time, does what it says, and nobody is lost or stands twice."""
    ids = [await desk.add() for _ in range(12)]
    draw = random.Random(7)  # noqa: S311 - which moves, not a secret

    async def some() -> None:
        for _ in range(15):
            one, beside = draw.sample(ids, 2)
            await move(desk, one, after=beside)

    await asyncio.gather(*(some() for _ in range(4)))
    assert sorted(await standing(desk)) == ids
    await move(desk, ids[3], after=ids[7])
    order = await standing(desk)
    assert order.index(ids[3]) == order.index(ids[7]) + 1


async def test_orders_at_the_end_of_the_numbers_are_numbered_anew(desk: Board) -> None:
    """Numbers beyond which nothing fits cost a new numbering, no refusal."""
    low, high = await desk.add(order=-(2**31) + 1), await desk.add(order=2**31 - 1)
    third = await desk.add()
    await move(desk, third, at=End.TOP)
    assert await standing(desk) == [third, low, high]
    await move(desk, third, at=End.END)
    assert await standing(desk) == [low, high, third]


async def test_orders_that_are_no_numbers_are_numbered_anew(database_path: Path) -> None:
    """SQLite keeps whatever another program stored; a move beside it numbers the column."""
    async with open_engine(f"sqlite:///{database_path}") as engine:
        desk = Board(engine)
        ids = [await desk.add(order=order) for order in (1, 2, 3)]
        await desk.sql("UPDATE tasks SET \"order\" = 'soon' WHERE id = :task_id", task_id=ids[0])
        assert await standing(desk) == [ids[1], ids[2], ids[0]]
        await move(desk, ids[1], after=ids[0])
        assert await standing(desk) == [ids[2], ids[0], ids[1]]


async def test_columns_count_and_show_what_is_sought(desk: Board) -> None:
    """Given-up tasks have a column of their own; words, labels and numbers find tasks in all of them."""
    first = await desk.add("Tidy the 100% docs", labels=["docs"])
    second = await desk.add("Write tests", status=3, needs=[first])
    third = await desk.add("Gone wrong", status=3, labels=["docs", "tests"])
    await desk.sql("UPDATE task_details SET is_dead = 1 WHERE task_id = :task_id", task_id=third)

    async def counted(text: str = "", label: str = "") -> dict[str, int]:
        sought = Sought(text, label)
        found = await desk.engine.db.read(lambda conn: count_columns(conn, sought))
        return {column.value: count for column, count in found.items() if count}

    async def shown(column: Column, text: str = "") -> list[tuple[int, tuple[int, ...]]]:
        window = Window(column, 0, 10)
        cards = await desk.engine.db.read(lambda conn: show_window(conn, window, Sought(text)))
        return [(card.task.id, card.unmet) for card in cards]

    assert await counted() == {"ready": 1, "backlog": 1, "failed": 1}
    assert await counted("100%") == {"ready": 1}
    assert await counted("TESTS") == {"backlog": 1}
    assert await counted(label="docs") == {"ready": 1, "failed": 1}
    assert await counted(f"#{second}") == {"backlog": 1}
    assert await shown(Column.BACKLOG) == [(second, (first,))]
    assert await shown(Column.FAILED) == [(third, ())]
    assert await shown(Column.READY, "tests") == []
    found = await desk.engine.db.read(lambda conn: find_cards(conn, str(first)))
    assert found[0].task.id == first


@pytest.mark.parametrize(
    ("above", "below", "task_id", "order", "expected"),
    [
        pytest.param(None, None, 1, 7, 7, id="alone keeps its own"),
        pytest.param(None, None, 1, "odd", 0, id="alone with what is no number"),
        pytest.param(Place(1, 1), Place(9, 2), 3, 0, 5, id="in the middle of a gap"),
        pytest.param(Place(1, 1), Place(9, 2), 3, 4, 4, id="stays when it fits"),
        pytest.param(Place(4, 1), Place(5, 2), 3, 0, 4, id="beside an equal one of lower id"),
        pytest.param(Place(4, 7), Place(5, 8), 3, 0, 5, id="beside an equal one of higher id"),
        pytest.param(Place(4, 2), Place(4, 9), 3, 0, 4, id="between equals by its id"),
        pytest.param(Place(4, 7), Place(4, 9), 3, 0, None, id="no room"),
        pytest.param(Place(4, 7), None, 3, 0, 4 + STEP, id="behind the last"),
        pytest.param(None, Place(4, 1), 3, 9, 4 - STEP, id="before the first"),
    ],
)
def test_order_between(
    above: Place | None, below: Place | None, task_id: int, order: Any, expected: int | None
) -> None:
    """The first number that puts the task between its neighbours, preferring few changes."""
    assert order_between(above, below, task_id, order) == expected
