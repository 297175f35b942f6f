"""`/api/runs`: list, show, follow, cancel and retry, on a whole service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
from sqlalchemy import Connection, select

from wireroom.app.service import Service
from wireroom.delivery.outbox import Recipient, open_delivery
from wireroom.store.schema import audit, deliveries, runs
from wireroom.testing.scripted_agent import ScriptedAgent

Client = aiohttp.ClientSession
Call = Callable[..., Any]


async def get(client: Client, path: str, status: int = 200) -> Any:
    """Return the body of a GET."""
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def post(client: Client, path: str, status: int, **kwargs: Any) -> Any:
    """Return the body of a POST."""
    async with client.post(path, **kwargs) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def audited(service: Service) -> list[tuple[str, str, str, str | None]]:
    """Return who did what to what, oldest first."""
    query = select(audit.c.who, audit.c.action, audit.c.subject, audit.c.detail).order_by(audit.c.id)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    return [(row.who, row.action, row.subject, row.detail) for row in rows]


async def test_runs_are_listed_in_pages_newest_first(program: Client, ask: Call, until: Call) -> None:
    """The list has totals, filters by state and lane, and carries no outputs."""
    ids = [await ask(f"say number {number}") for number in range(3)]
    await until(ids[-1], "succeeded")
    first = await get(program, "/api/runs?per_page=2&lane=web:main")
    second = await get(program, "/api/runs?per_page=2&page=2&state=succeeded")
    assert [run["id"] for run in first["runs"]] == [ids[2], ids[1]]
    assert [run["id"] for run in second["runs"]] == [ids[0]]
    assert first["pagination"].items() >= {"page": 1, "per_page": 2, "total": 3, "total_pages": 2}.items()
    assert "output" not in first["runs"][0]
    assert (await get(program, "/api/runs?state=failed"))["pagination"]["total"] == 0


async def test_run_is_shown_by_its_id_or_its_request_id(program: Client, ask: Call, until: Call) -> None:
    """A caller that knows only its own id finds its run, with all that the agent said."""
    run_id = await ask("say all of it")
    await until(run_id, "succeeded")
    shown = await get(program, "/api/runs/test-1")
    assert (shown["id"], shown["output"], shown["exit_code"]) == (run_id, "all of it", 0)


async def test_unknown_run_is_not_found_on_every_route(program: Client) -> None:
    """Each route says so in the one shape."""
    for path in ("", "/events", "/stream"):
        body = await get(program, f"/api/runs/none{path}", 404)
        assert (body["success"], body["path"]) == (False, f"/api/runs/none{path}")
    for action in ("cancel", "retry"):
        assert (await post(program, f"/api/runs/none/{action}", 404))["success"] is False


async def test_bad_query_names_the_field(program: Client) -> None:
    """A page of zero and a state that does not exist cannot be meant."""
    assert "query.page" in (await get(program, "/api/runs?page=0", 422))["error"]
    assert "query.state" in (await get(program, "/api/runs?state=lost", 422))["error"]


async def test_log_is_read_in_pieces(program: Client, ask: Call, until: Call) -> None:
    """`next_after` leads from piece to piece, and the pieces are the log."""
    run_id = await ask("say a; tool t; say b; tool u; say c")
    run = await until(run_id, "succeeded")
    after, seen = 0, []
    while True:
        piece = await get(program, f"/api/runs/{run_id}/events?after={after}&limit=2")
        if not piece["events"]:
            break
        seen += [event["seq"] for event in piece["events"]]
        after = piece["next_after"]
    assert seen == list(range(1, run["event_count"] + 1))


async def test_cancel_stops_a_running_run(
    service: Service, page: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """A person's stop is acknowledged, done, and written into the audit with their name."""
    run_id = await ask(f"say begun; {agent.gate('never')}")
    await until(run_id, "running")
    assert (await post(page, f"/api/runs/{run_id}/cancel", 202))["result"] == "stopping"
    await until(run_id, "cancelled")
    assert ("page", "run.cancel", run_id, "stopping") in await audited(service)


async def test_cancel_removes_a_waiting_run(
    program: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """It never starts; the one before it goes on."""
    first = await ask(agent.gate("go"))
    second = await ask("say second")
    assert (await post(program, f"/api/runs/{second}/cancel", 202))["result"] == "removed"
    assert (await until(second, "cancelled"))["started_at"] is None
    agent.open_gate("go")
    await until(first, "succeeded")


async def test_cancel_of_an_ended_run_is_a_conflict(
    service: Service, program: Client, ask: Call, until: Call
) -> None:
    """The caller is told that it came too late, and nothing is written."""
    run_id = await ask("say done")
    await until(run_id, "succeeded")
    assert "has ended already" in (await post(program, f"/api/runs/{run_id}/cancel", 409))["error"]
    assert [row for row in await audited(service) if row[1] == "run.cancel"] == []


async def test_retry_runs_the_same_again_once(
    service: Service, program: Client, ask: Call, until: Call
) -> None:
    """Pressed twice it is one new run; with a request id of its own it is another."""
    run_id = await ask("exit 3")
    await until(run_id, "failed")
    first = await post(program, f"/api/runs/{run_id}/retry", 202)
    again = await post(program, f"/api/runs/{run_id}/retry", 202)
    third = await post(program, f"/api/runs/{run_id}/retry", 202, json={"request_id": "mine"})
    assert (first["created"], again["created"], third["created"]) == (True, False, True)
    assert first["run_id"] == again["run_id"] != third["run_id"]
    assert (await until(first["run_id"], "failed"))["prompt"] == "exit 3"
    retries = [row for row in await audited(service) if row[1] == "run.retry"]
    assert retries == [
        ("program", "run.retry", run_id, first["run_id"]),
        ("program", "run.retry", run_id, third["run_id"]),
    ]


async def test_retry_of_an_unfinished_run_is_a_conflict(
    program: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """What still works need not be tried again."""
    run_id = await ask(agent.gate("never"))
    await until(run_id, "running")
    assert "has not ended yet" in (await post(program, f"/api/runs/{run_id}/retry", 409))["error"]


async def test_retry_answers_in_the_chat_that_asked(
    service: Service, program: Client, ask: Call, until: Call
) -> None:
    """A run that came from a chat answers there again, in reply to the same message."""
    run_id = await ask("exit 3")
    await until(run_id, "failed")
    to = Recipient("telegram:7:8:0", 7, 8, None, 9)

    def give_it_a_chat(conn: Connection) -> None:
        conn.execute(runs.update().where(runs.c.id == run_id).values(lane=to.lane, source="telegram"))
        open_delivery(conn, service.services.jobs, to, opening="…", run_id=run_id, now_ms=1)

    await service.services.db.write(give_it_a_chat)
    new = await post(program, f"/api/runs/{run_id}/retry", 202)
    columns = (deliveries.c.lane, deliveries.c.bot_id, deliveries.c.chat_id, deliveries.c.reply_to)
    query = select(*columns).where(deliveries.c.run_id == new["run_id"])
    row = await service.services.db.read(lambda conn: conn.execute(query).one())
    assert tuple(row) == ("telegram:7:8:0", 7, 8, 9)


async def test_request_body_beyond_its_bound_is_refused(program: Client, ask: Call, until: Call) -> None:
    """A small route takes a small body, whether its size is declared or comes in pieces."""
    run_id = await ask("exit 3")
    await until(run_id, "failed")
    declared = await post(program, f"/api/runs/{run_id}/retry", 413, data=b"x" * 20_000)

    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 1_000

    streamed = await post(
        program, f"/api/runs/{run_id}/retry", 413, data=pieces(), headers={"Content-Type": "application/json"}
    )
    assert declared["success"] is streamed["success"] is False
