"""The board over HTTP: the older runner's wire, what is beyond it, and rows that other programs write."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runner_callers import Caller, calling, runner_service
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

_OTHER_PROGRAM = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
for statement in sys.argv[2:]:
    other.execute(statement)
"""
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
KNOWN = ("id", "prompt", "order", "createdat", "updatedat", "uuid", "status", "status_label")
bases = pytest.mark.parametrize("base", ["/api/tasks", "/conversations/api/tasks"])


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


@pytest.fixture
async def service(database_path: Path, agent: ScriptedAgent) -> AsyncIterator[Service]:
    """Run a service."""
    async with runner_service(database_path.parent, agent, task_backoff_seconds=0.05) as running:
        yield running


@pytest.fixture
async def program(service: Service) -> AsyncIterator[Caller]:
    """Lend a program that sends the secret."""
    async with calling(service) as caller:
        yield caller


async def added(program: Caller, prompt: str = "say x", **fields: Any) -> dict[str, Any]:
    """Add a task."""
    answer = await program.post("/api/tasks", {"prompt": prompt, **fields})
    assert answer.status == 201
    return dict(answer.body)


async def other_program(path: Path, *statements: str) -> None:
    """Have another process write to the file with its own library, as the sqlite3 shell does."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", _OTHER_PROGRAM, path, *statements)
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def until(program: Caller, task_id: int, label: str) -> dict[str, Any]:
    """Wait until the task has this status, and return it."""
    task: dict[str, Any] = {}

    async def there() -> bool:
        task.update((await program.get(f"/api/tasks/{task_id}")).body)
        return bool(task["status_label"] == label)

    await eventually(there, f"task {task_id} is {label}", 20)
    return task


@bases
async def test_new_task_is_answered_as_before(program: Caller, base: str) -> None:
    """201, the prompt trimmed, order and status 0, no uuid, times in the contract's form."""
    answer = await program.post(base, {"prompt": "  tidy up  "})
    assert answer.status == 201
    assert {name: answer.body[name] for name in KNOWN if not name.endswith("at")} == {
        "id": answer.body["id"],
        "prompt": "tidy up",
        "order": 0,
        "uuid": None,
        "status": 0,
        "status_label": "ready",
    }
    assert STAMP.fullmatch(answer.body["createdat"])
    assert (await program.get(f"{base}/{answer.body['id']}")).body == answer.body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "Prompt is required and must be a non-empty string"),
        ({"prompt": "  "}, "Prompt is required and must be a non-empty string"),
        ({"prompt": 5}, "Prompt is required and must be a non-empty string"),
        ({"prompt": "x", "status": "weird"}, "Status must be a number"),
        ({"prompt": "x", "status": True}, "Status must be a number"),
        ({"prompt": "x", "order": "weird"}, "Order must be a number"),
        ({"prompt": "x", "order": {}}, "Order must be a number"),
        ({"prompt": "x", "order": 10**12}, "Order must be a number"),
    ],
)
async def test_new_task_that_cannot_be_meant_is_refused(program: Caller, body: Any, error: str) -> None:
    """400 in the contract's words, where the older runner stored it or failed."""
    answer = await program.post("/api/tasks", body)
    assert (answer.status, answer.body) == (400, {"success": False, "error": error})
    assert (await program.get("/api/tasks")).body == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"status": 9}, "Status must be one of 0"),
        ({"labels": ["two words"]}, "labels must be"),
        ({"labels": "x"}, "labels must be"),
        ({"needs": ["x"]}, "needs must be"),
        ({"needs": [99]}, "there is no task 99"),
        ({"not_before": "soon"}, "not_before must be"),
        ({"not_before": "9999-12-31T23:59:59-12:00"}, "not_before must be"),
        ({"backend": "hal"}, "There is no coding agent hal"),
        ({"repository": 5}, "repository must be"),
    ],
)
async def test_further_fields_are_checked(program: Caller, fields: Any, error: str) -> None:
    """400, naming the field; nothing is stored."""
    answer = await program.post("/api/tasks", {"prompt": "x", **fields})
    assert answer.status == 400
    assert error in answer.body["error"]
    assert (await program.get("/api/tasks")).body == []


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_unknown_and_odd_ids_are_refused(program: Caller, method: str) -> None:
    """404 for no such task, 400 for what is no number; `1abc` is none."""
    await added(program)
    for task_id, status, error in [
        ("99", 404, "Task not found"),
        ("1abc", 400, "Invalid task ID. Must be a number."),
        ("-1", 400, "Invalid task ID. Must be a number."),
        ("99999999999999999999", 400, "Invalid task ID. Must be a number."),
    ]:
        answer = await program.call(method, f"/api/tasks/{task_id}", {"order": 1})
        assert (answer.status, answer.body) == (status, {"success": False, "error": error})


async def test_task_is_changed_and_deleted(program: Caller) -> None:
    """Any of the fields; an empty change changes nothing; deleted is gone."""
    task = await added(program)
    path = f"/api/tasks/{task['id']}"
    changed = await program.call("PUT", path, {"prompt": "new", "status": 3, "order": 7})
    assert (changed.status, changed.body["prompt"], changed.body["status_label"], changed.body["order"]) == (
        200,
        "new",
        "backlogged",
        7,
    )
    assert (await program.call("PUT", path, {})).body == changed.body
    for body, error in [
        ({"prompt": ""}, "Prompt must be a non-empty string"),
        ({"status": "1"}, "Status must be a number"),
        ({"order": None}, "Order must be a number"),
    ]:
        answer = await program.call("PUT", path, body)
        assert (answer.status, answer.body["error"]) == (400, error)
    deleted = await program.call("DELETE", path)
    assert (deleted.status, deleted.body) == (200, {"success": True, "message": "Task deleted"})
    assert (await program.get(path)).status == 404


async def test_stale_change_is_a_conflict(program: Caller) -> None:
    """By `updatedat` in the body and by `If-Match`: 409, and the newer version stays."""
    task = await added(program)
    path = f"/api/tasks/{task['id']}"
    seen = (await program.get(path)).headers["ETag"]
    assert seen == f'"{task["updatedat"]}"'
    first = await program.call("PUT", path, {"order": 1}, headers={"If-Match": seen})
    assert first.status == 200
    if first.body["updatedat"] == task["updatedat"]:
        pytest.fail("two changes within a millisecond")
    for body, headers in [
        ({"order": 2, "updatedat": task["updatedat"]}, {}),
        ({"order": 2}, {"If-Match": seen}),
    ]:
        answer = await program.call("PUT", path, body, headers=headers)
        assert answer.status == 409
    assert (await program.get(path)).body["order"] == 1


async def test_any_time_of_another_program_is_shown_and_compared(
    program: Caller, database_path: Path
) -> None:
    """A text that is no time, and that no header can hold as it is, is what a change may be held to."""
    task = await added(program)
    path = f"/api/tasks/{task['id']}"
    await other_program(database_path, "UPDATE tasks SET updatedat = 'вчера, 100%'")
    shown = await program.get(path)
    assert (shown.status, shown.body["updatedat"]) == (200, "вчера, 100%")
    stale = await program.call("PUT", path, {"order": 1}, headers={"If-Match": f'"{task["updatedat"]}"'})
    fresh = await program.call("PUT", path, {"order": 2}, headers={"If-Match": shown.headers["ETag"]})
    assert (stale.status, fresh.status, fresh.body["order"]) == (409, 200, 2)


@bases
async def test_list_is_an_array_or_pages(program: Caller, base: str) -> None:
    """As each of the older clients asks: by status, and by page, label and order."""
    ids = [(await added(program, f"task {order}", order=order, status=3))["id"] for order in (3, 1, 2)]
    await added(program, status=1)
    plain = await program.get(f"{base}?status=3")
    assert [task["id"] for task in plain.body] == [ids[1], ids[2], ids[0]]
    assert plain.headers["X-Total-Count"] == "3"
    paged = await program.get(f"{base}?page=2&limit=2&status_label=backlogged&sortBy=order&sortOrder=desc")
    assert [task["id"] for task in paged.body["tasks"]] == [ids[1]]
    assert paged.body["pagination"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
    newest = await program.get(f"{base}?page=1&sortBy=createdat&sortOrder=desc")
    assert newest.body["tasks"][-1]["id"] == ids[0]
    assert newest.body["pagination"]["total"] == 4


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("status=x", 400, "Invalid status parameter. Must be a number."),
        ("status=--5", 400, "Invalid status parameter. Must be a number."),
        ("status_label=x", 400, "Invalid status_label parameter"),
        ("sortBy=prompt", 422, "sortBy"),
        ("page=0", 422, "page"),
        ("limit=100000", 422, "limit"),
    ],
)
async def test_odd_lists_are_refused(program: Caller, query: str, status: int, error: str) -> None:
    """Each names its parameter; a number that no status has lists nothing."""
    answer = await program.get(f"/api/tasks?{query}")
    assert answer.status == status
    assert error in answer.body["error"]
    for nothing in ("status=77", "status=-1", "status=0000001", "conversation_id=of-no-task"):
        assert (await program.get(f"/api/tasks?{nothing}")).body == []


async def test_stranger_learns_nothing(service: Service, program: Caller) -> None:
    """Every route needs the secret."""
    task = await added(program)
    async with calling(service, secret="wrong") as stranger:
        for method, path in [
            ("GET", "/api/tasks"),
            ("POST", "/api/tasks"),
            ("GET", f"/conversations/api/tasks/{task['id']}"),
            ("DELETE", f"/api/tasks/{task['id']}"),
            ("POST", "/task-operator"),
            ("DELETE", "/task-operator/lock"),
            ("POST", "/task-operator/callback"),
        ]:
            assert (await stranger.call(method, path, {"requestId": "x"})).status == 401


async def test_task_runs_and_tells_the_truth(program: Caller) -> None:
    """A good task is complete with its result; a bad one is given up, listed, and tried again."""
    good, bad = await added(program, "say well done"), await added(program, "exit 3")
    switched = await program.post("/task-operator", {"queue": None})
    job_id = switched.body["agent"].pop("jobId")
    assert switched.body == {
        "success": True,
        "message": "Task operator agent enqueued successfully",
        "agent": {"name": "task-operator", "queue": "task-operator"},
    }
    assert job_id
    await until(program, good["id"], "complete")
    [attempt] = (await program.get(f"/api/tasks/{good['id']}/attempts")).body["attempts"]
    assert (attempt["state"], attempt["request_id"]) == ("succeeded", f"task-{good['id']}-1")
    assert "well done" in attempt["result"]
    given_up = await until(program, bad["id"], "backlogged")
    assert given_up["is_dead"]
    assert [task["id"] for task in (await program.get("/api/tasks?dead=true")).body] == [bad["id"]]
    assert len((await program.get(f"/api/tasks/{bad['id']}/attempts")).body["attempts"]) == 3
    again = await program.post(f"/api/tasks/{bad['id']}/retry")
    assert (again.status, again.body["is_dead"], again.body["failures"]) == (200, False, 0)
    await until(program, bad["id"], "backlogged")
    assert len((await program.get(f"/api/tasks/{bad['id']}/attempts")).body["attempts"]) == 6


async def test_switch_and_lock_are_as_before(program: Caller) -> None:
    """The contract's bodies: off twice, the lock free, held by a task at work, and cleared."""
    for _ in range(2):
        off = await program.call("DELETE", "/task-operator")
        assert off.body == {
            "success": True,
            "message": (
                "Task operator disabled successfully. It will stop re-enqueueing after current jobs complete."
            ),
        }
    free = {"success": True, "isLocked": False, "message": "Task operator Redis lock is not held"}
    assert (await program.get("/task-operator/lock")).body == free
    cleared = await program.call("DELETE", "/task-operator/lock")
    assert cleared.body == {
        "success": True,
        "message": "Task operator Redis lock was not present",
        "lockCleared": False,
    }
    task = await added(program, "hang")
    await program.post("/task-operator")
    await until(program, task["id"], "in_progress")
    held = {"success": True, "isLocked": True, "message": "Task operator Redis lock is currently held"}
    assert (await program.get("/task-operator/lock")).body == held
    assert (await program.get("/task-operator")).body["atWork"][0]["taskId"] == task["id"]
    await program.call("DELETE", "/task-operator")
    cleared = await program.call("DELETE", "/task-operator/lock")
    assert cleared.body == {
        "success": True,
        "message": "Task operator Redis lock cleared successfully",
        "lockCleared": True,
    }
    assert (await program.get("/task-operator/lock")).body == free
    assert (await until(program, task["id"], "ready"))["failures"] == 0


async def test_rows_of_another_program_are_begun_and_respected(
    program: Caller, agent: ScriptedAgent, database_path: Path
) -> None:
    """Plain SQL switches on, inserts, archives during the work, switches off; nothing is overwritten."""
    await other_program(
        database_path,
        "INSERT INTO system_settings (name, value) VALUES ('task_operator', 1)",
        "INSERT INTO tasks (prompt) VALUES ('say theirs')",
    )
    await until(program, 1, "complete")
    gate = agent.gate("go")
    await other_program(database_path, f"INSERT INTO tasks (prompt) VALUES ('{gate}; say late')")
    await until(program, 2, "in_progress")
    await other_program(
        database_path,
        "UPDATE tasks SET status = 2 WHERE id = 2",
        "UPDATE system_settings SET value = 0 WHERE name = 'task_operator'",
        "INSERT INTO tasks (prompt) VALUES ('say never')",
    )
    agent.open_gate("go")

    async def has_ended() -> bool:
        [attempt] = (await program.get("/api/tasks/2/attempts")).body["attempts"]
        return bool(attempt["result"] == "late")

    await eventually(has_ended, "the run's result is kept", 20)
    labels = [task["status_label"] for task in (await program.get("/api/tasks?status=2")).body]
    assert labels == ["archived"]
    assert (await program.get("/api/tasks/3")).body["status_label"] == "ready"


async def test_callback_of_a_runner_is_taken_once_known(program: Caller) -> None:
    """200 also for a request that nobody knows; 400 without one; the secret may stand in the query."""
    unknown = await program.post("/task-operator/callback", {"requestId": "req-1-abc", "success": True})
    assert (unknown.status, unknown.body) == (200, {"received": True, "requestId": "req-1-abc"})
    nameless = await program.post("/task-operator/callback", {"success": True})
    assert (nameless.status, nameless.body) == (400, {"error": "requestId is required"})
    snake = await program.post("/task-operator/callback", {"request_id": "req-2", "success": "true"})
    assert snake.body == {"received": True, "requestId": "req-2"}


async def test_limits_are_set_and_listed(program: Caller) -> None:
    """A number, or null for none; anything else is refused."""
    assert (await program.call("PUT", "/api/tasks/limits/db", {"most": 2})).status == 200
    assert (await program.get("/api/tasks/limits")).body == {"limits": {"db": 2}}
    for path, most in [("db", 0), ("db", 10**12), ("two%20words", 1), ("a%00b", 1)]:
        assert (await program.call("PUT", f"/api/tasks/limits/{path}", {"most": most})).status == 400
    assert (await program.call("PUT", "/api/tasks/limits/db", {"most": "x"})).status == 400
    await program.call("PUT", "/api/tasks/limits/db", {"most": None})
    assert (await program.get("/api/tasks/limits")).body == {"limits": {}}


async def test_task_that_is_sent_again_is_one_task(program: Caller) -> None:
    """A caller whose answer got lost asks again with its key; the key means no other task."""
    wish = {"prompt": "paint the fence", "at": "end", "idempotencyKey": "k-1"}
    first, second = [(await program.post("/api/tasks", wish)).body for _ in range(2)]
    assert first["id"] == second["id"]
    other = await program.post("/api/tasks", {**wish, "prompt": "paint the door"})
    assert other.status == 409
    assert "Use a fresh one" in other.body["error"]
    assert (await program.post("/api/tasks", {**wish, "idempotencyKey": ["k"]})).status == 400
    found = (await program.get("/api/tasks")).body
    listed = found if isinstance(found, list) else found["tasks"]
    assert [task["prompt"] for task in listed] == ["paint the fence"]
