"""That a screen is told of every change of what it shows, on a whole service."""

from __future__ import annotations

import aiohttp
from sqlalchemy import Connection

from api.browsers import ask
from wireroom.api.live_stamps import TOPICS, Stamps, changed, read_stamps
from wireroom.app.service import Service

Client = aiohttp.ClientSession
CALL = """
    INSERT INTO agent_calls (id, agent_id, agent_name, queue, action, due_at, state, attempts, created_at,
                             started_at, finished_at)
    SELECT ?, id, name, ?, 'call', 1, ?, 1, 1, 1, ? FROM agents
"""


async def told(service: Service, client: Client, method: str, path: str, **body: object) -> set[str]:
    """Change something by a route, and return the topics whose readers would be told."""
    before = await service.services.db.read(lambda conn: read_stamps(conn, TOPICS))
    await ask(client, method, path, json=body)
    after = await service.services.db.read(lambda conn: read_stamps(conn, TOPICS))
    return set(changed(before, after))


async def test_calls_that_are_over_change_in_sight_of_their_screens(service: Service, page: Client) -> None:
    """A discard and a purge move no time and no newest number, and are told all the same."""
    agent = {"name": "a", "targetUrl": "http://127.0.0.1:9/", "schedule": "0 0 1 1 *"}
    assert "agents" in await told(service, page, "POST", "/agents", **agent)

    def fill(conn: Connection) -> None:
        for number, (queue, state) in enumerate(
            [("default", "dead"), ("default", "succeeded"), ("r", "succeeded")], 1
        ):
            conn.exec_driver_sql(CALL, (number, queue, state, number))

    await service.services.db.write(fill)
    discard = {"kind": "calls", "ids": [1]}
    found = await told(service, page, "POST", "/api/dead-letters/discard", **discard)
    assert {"agents", "dead", "queues"} <= found
    assert "queues" in await told(service, page, "POST", "/queues/default/purge")


async def test_edits_of_equal_length_are_told(service: Service, page: Client) -> None:
    """Two edits in a row that change only letters of a task, or only a paused state, are two changes."""
    task = (await ask(page, "POST", "/api/tasks", 201, json={"prompt": "one"}))["id"]
    for prompt in ("two", "six"):
        assert "tasks" in await told(service, page, "PUT", f"/api/tasks/{task}", prompt=prompt)
    for does in ("pause", "resume"):
        assert "queues" in await told(service, page, "POST", f"/queues/default/{does}")


async def test_edit_of_another_program_is_told_in_its_form_of_times(service: Service, page: Client) -> None:
    """SQLite's own times have a space, which sorts below our T of the same day, and count beside it."""
    db = service.services.db
    ours, theirs = [
        (await ask(page, "POST", "/api/tasks", 201, json={"prompt": "one"}))["id"] for _ in range(2)
    ]
    edit = "UPDATE tasks SET prompt = ?, updatedat = ? WHERE id = ?"

    async def seen_after(prompt: str, at: str, task: int) -> Stamps:
        await db.write(lambda conn: conn.exec_driver_sql(edit, (prompt, at, task)) and None)
        return await db.read(lambda conn: read_stamps(conn, ["tasks"]))

    await seen_after("one", "2026-11-22T09:00:00.000Z", ours)
    before = await seen_after("two", "2026-11-22 10:00:00", theirs)
    assert changed(before, await seen_after("six", "2026-11-22 11:00:00", theirs)) == ["tasks"]
