"""The board's columns and moves over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession as Client
from sqlalchemy import select

from running_service import API_SECRET, running_service
from wireroom.app.service import Service
from wireroom.store.schema import audit

pytestmark = pytest.mark.timeout(60)


async def _get(program: Client, path: str) -> tuple[int, Any]:
    async with program.get(path) as response:
        return response.status, await response.json()


async def _post(program: Client, path: str, **body: Any) -> tuple[int, Any]:
    async with program.post(path, json=body) as response:
        return response.status, await response.json()


async def _added(program: Client, prompt: str, **fields: Any) -> int:
    status, body = await _post(program, "/api/tasks", prompt=prompt, **fields)
    assert status == 201
    return int(body["id"])


def _program_of(service: Service) -> Client:
    return Client(service.address, headers={"Authorization": f"Bearer {API_SECRET}"})


async def _statements(client: Client, path: str) -> int:
    async with client.get(path, headers={"Cache-Control": "no-cache"}) as answer:
        assert answer.status == 200
        return int(answer.headers["x-wireroom-statements"])


async def test_columns_show_their_counts_and_the_cards_in_sight(program: Client) -> None:
    """Every column is counted; cards come for the parts that are asked for, with what they wait for."""
    first = await _added(program, "one " + "x" * 1000)
    second = await _added(program, "two", needs=[first], labels=["docs"])
    status, body = await _get(program, "/api/board?window=ready:1:5&window=done:0:5")

    assert status == 200
    assert body["columns"]["ready"]["count"] == 2
    assert [(card["id"], card["unmet"]) for card in body["columns"]["ready"]["cards"]] == [(second, [first])]
    assert body["columns"]["done"] == {"count": 0, "start": 0, "cards": []}
    assert body["columns"]["archived"] == {"count": 0}
    found = (await _get(program, "/api/board?window=ready:0:5&q=ONE"))[1]["columns"]["ready"]
    assert (found["count"], len(found["cards"][0]["prompt"])) == (1, 400)
    assert (await _get(program, "/api/board?label=docs"))[1]["columns"]["ready"]["count"] == 1


async def test_task_is_shown_with_all_that_stands_beside_it(program: Client) -> None:
    """Whole prompt, attempts, what it waits for and what waits for it; words and numbers find tasks."""
    first = await _added(program, "one " + "x" * 1000, repository="app")
    second = await _added(program, "two", needs=[first], labels=["docs"])
    one, two = [(await _get(program, f"/api/board/tasks/{task}"))[1] for task in (first, second)]

    assert (len(one["task"]["prompt"]), one["attempts"]) == (1004, [])
    assert [card["id"] for card in one["needed_by"]] == [second]
    assert [card["id"] for card in two["needs"]] == [first]
    assert [card["id"] for card in (await _get(program, "/api/board/find?q=two"))[1]["cards"]] == [second]
    choices = (await _get(program, "/api/board/choices"))[1]
    assert (choices["labels"], choices["repositories"]) == (["docs"], ["app"])
    assert "claude" in choices["backends"]
    assert (await _get(program, "/api/board/tasks/99"))[0] == 404


async def test_move_is_one_call_and_audited(service: Service, program: Client) -> None:
    """A task is put beside another; who did it is noted with where it went."""
    first, second = [await _added(program, text) for text in ("one", "two")]
    status, body = await _post(program, f"/api/tasks/{second}/move", before=first)
    shown = (await _get(program, "/api/board?window=ready:0:5"))[1]["columns"]["ready"]["cards"]

    assert (status, body["id"], [card["id"] for card in shown]) == (200, second, [second, first])
    query = select(audit.c.who, audit.c.subject, audit.c.detail).where(audit.c.action == "task.move")
    noted = await service.services.db.read(lambda conn: [tuple(row) for row in conn.execute(query)])
    assert noted == [("program", str(second), "ready, order -1000")]


async def test_new_task_goes_where_it_is_told(program: Client) -> None:
    """`at` puts a new task at an end of its column, whatever the orders there are."""
    middle = await _added(program, "one", order=5)
    last, first = await _added(program, "two", at="end"), await _added(program, "three", at="top")
    shown = (await _get(program, "/api/board?window=ready:0:5"))[1]["columns"]["ready"]["cards"]

    assert [card["id"] for card in shown] == [first, middle, last]
    assert (await _post(program, "/api/tasks", prompt="four", at={}))[0] == 400


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        pytest.param({"status": "archived", "seen": "complete"}, 409, "is ready by now", id="elsewhere"),
        pytest.param({"after": 99}, 409, "have left that column", id="neighbour gone"),
        pytest.param({"status": "never"}, 400, "status must be one of", id="no status"),
        pytest.param({"at": "middle"}, 400, "at:", id="no end"),
        pytest.param({"order": 5}, 400, "order", id="unknown field"),
    ],
)
async def test_move_that_cannot_be_is_refused(
    program: Client, body: dict[str, Any], status: int, words: str
) -> None:
    """A sentence says why; nothing has moved."""
    task = await _added(program, "one")
    answer = await _post(program, f"/api/tasks/{task}/move", **body)

    assert answer[0] == status
    assert words in answer[1]["error"]
    assert (await _get(program, f"/api/tasks/{task}"))[1]["status_label"] == "ready"


@pytest.mark.parametrize("window", ["ready", "ready:x:1", "nowhere:0:1", "ready:0:-1", "ready:0:999999999"])
async def test_window_that_cannot_be_meant_is_refused(program: Client, window: str) -> None:
    """400, naming it."""
    status, body = await _get(program, f"/api/board?window={window}")
    assert (status, "window" in body["error"]) == (400, True)


@pytest.mark.n_plus_one(repeats=5)
async def test_board_asks_as_often_for_many_tasks_as_for_few(database_path: Path) -> None:
    """Forty cards that wait for others take the statements of one."""
    columns = "&".join(f"window={column}:0:60" for column in ("ready", "backlog", "failed", "done"))
    paths = [f"/api/board?{columns}", "/api/board/find?q=one", "/api/board/tasks/1"]
    async with (
        running_service(database_path.parent, log_level="debug") as running,
        _program_of(running) as client,
    ):
        first = await _added(client, "one", labels=["docs"])
        await _added(client, "one more", needs=[first])
        few = [await _statements(client, path) for path in paths]
        for _ in range(40):
            await _added(client, "one more", needs=[first], labels=["docs"])
        many = [await _statements(client, path) for path in paths]

    assert many == few
    assert max(many) <= 20
