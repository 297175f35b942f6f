"""What the older scheduler lost, doubled or hid, as its own callers would meet it; each is gone here.

The numbers are those of the contract's list of weaknesses (cursor-agents, section C1).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import Connection, text

from agent_office import AgentOffice, running_office
from running_service import StoreFault, client_of, running_service
from wireroom.agents.retention import forget_before
from wireroom.backends.demo_agent import MEMORY
from wireroom.clock import to_ms

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def office(database_path: Path) -> AsyncIterator[AgentOffice]:
    """Lend a service and a target."""
    async with running_office(database_path.parent) as found:
        yield found


async def test_five_hundred_posts_of_one_name_are_five_hundred_calls(office: AgentOffice) -> None:
    """1: posts of one name at the same moment share nothing: each is a call, and each call is made once."""
    waiting = list(range(500))

    async def post() -> None:
        while waiting:
            await office.once("same", body={"n": waiting.pop()})

    await asyncio.gather(*(post() for _ in range(16)))
    await office.received(500)
    info = await office.good("GET", "/queues/default")

    assert Counter(found.body for found in office.target.received).most_common(1)[0][1] == 1
    assert len({found.headers["Idempotency-Key"] for found in office.target.received}) == 500
    assert (info["waiting"], info["failed"]) == (0, 0)


async def test_idempotency_key_makes_repetitions_one_call(office: AgentOffice) -> None:
    """1: who repeats a post under one key has one call, and is told which."""
    key = {"Idempotency-Key": "order-17"}
    body = {"name": "a", "targetUrl": office.target.url, "oneTime": True}
    answers = await asyncio.gather(*(office.good("POST", "/agents", body, headers=key) for _ in range(20)))
    await office.once("b", idempotencyKey="order-17")
    await office.received(2)
    await office.newest_becomes("b", "succeeded")

    assert len({answer["agent"]["callId"] for answer in answers}) == 1
    assert sum("repeated" not in answer["agent"] for answer in answers) == 1
    assert len(await office.calls("a")) == 1


async def test_changed_schedule_replaces_the_old_one(office: AgentOffice) -> None:
    """2: a name has one schedule; posting it again leaves nothing of the one before."""
    agent = {"name": "tick", "targetUrl": office.target.url}
    await office.good("POST", "/agents", agent | {"schedule": {"every": 1000}, "body": "old"})
    await office.received(2)
    await office.good("POST", "/agents", agent | {"schedule": {"every": 2000}, "body": "new"})
    changed_at = len(office.target.received)
    await office.received(changed_at + 3)
    slots = [call["slot"] for call in await office.calls("tick")][:3]

    assert {found.body for found in office.target.received[changed_at + 1 :]} == {b'"new"'}
    assert len(slots) == len(set(slots))
    assert (await office.good("GET", "/queues/default"))["agents"] == ["tick"]


async def test_deleted_agent_is_gone_with_all_that_it_had_to_do(office: AgentOffice) -> None:
    """2: deleting ends the schedule, what waits and what works; then the queue goes, even after a restart."""
    office.target.gate.clear()
    await office.good(
        "POST",
        "/agents",
        {"name": "tick", "targetUrl": office.target.url, "schedule": {"every": 1000}, "queue": "q"},
    )
    await office.received(1)
    await office.once("tock", queue="q")
    await office.good("DELETE", "/agents/tick")
    office.target.gate.set()
    await office.newest_becomes("tock", "succeeded")
    before = len(office.target.received)
    await asyncio.sleep(1.3)

    def open_rows(conn: Connection) -> int:
        query = "SELECT count(*) FROM agent_calls WHERE state IN ('waiting', 'running')"
        return int(conn.execute(text(query)).scalar_one())

    assert len(office.target.received) == before
    assert await office.service.services.db.read(open_rows) == 0
    assert (await office.ask("GET", "/agents/tick"))[0] == 404
    await office.good("DELETE", "/agents/tock")
    assert (await office.ask("GET", "/queues/q"))[0] == 404


async def test_deleted_prompt_stays_deleted_after_a_restart(database_path: Path) -> None:
    """3: a prompt that was deleted does not come back; one that was not is active before and after."""
    prompt = {"prompt": "Tidy up", "schedule": "daily"}
    async with running_office(database_path.parent) as office:
        for name in ("gone", "kept"):
            await office.good("POST", "/prompts/recurring", prompt | {"name": name})
        await office.good("DELETE", "/prompts/gone")
        before = await office.good("GET", "/prompts/kept")
    async with running_office(database_path.parent) as office:
        assert (await office.ask("GET", "/prompts/gone"))[0] == 404
        assert await office.good("GET", "/prompts/kept") == before
        assert before["isActive"] is True
        assert [one["name"] for one in (await office.good("GET", "/queues"))["queues"]] == ["default", "kept"]


async def test_failed_call_is_tried_again_then_kept_and_told(office: AgentOffice) -> None:
    """7: failures are retried by the agent's rule, then stay visible with status, error, time and answer."""
    office.target.answers.extend(web.json_response({"error": "no"}, status=500) for _ in range(3))
    await office.once("a", retry={"attempts": 3, "backoff": 1, "maxBackoff": 2})
    dead = await office.newest_becomes("a", "dead")
    status = await office.good("GET", "/agents/a")
    letters = (await office.good("GET", "/queues/default/calls"))["calls"]
    again = await office.good("POST", f"/agents/a/calls/{dead['id']}/retry")
    done = await office.newest_becomes("a", "succeeded")
    refused = await office.ask("POST", f"/agents/a/calls/{dead['id']}/retry")

    assert (dead["attempts"], dead["statusCode"]) == (3, 500)
    assert dead["error"] == 'HTTP 500 Internal Server Error: {"error": "no"}'
    assert dead["responseHead"] == '{"error": "no"}'
    assert dead["durationMs"] >= 0
    assert (status["name"], status["lastRun"]) == ("a", dead["finishedAt"])
    assert letters == [dead]
    assert again["call"]["id"] == done["id"] == dead["id"]
    assert refused[0] == 409
    assert len({found.headers["Idempotency-Key"] for found in office.target.received}) == 1


async def test_refusal_of_the_target_is_not_repeated(office: AgentOffice) -> None:
    """7: a target that says what is wrong with the request is not asked again."""
    office.target.answers.append(web.Response(status=400, text="no such field"))
    await office.once("a")
    dead = await office.newest_becomes("a", "dead")

    assert (dead["attempts"], dead["error"]) == (1, "HTTP 400 Bad Request: no such field")


async def test_stop_waits_for_calls_that_are_being_made(database_path: Path) -> None:
    """8: a service that stops lets its calls end; nothing of them is repeated by the next start."""
    async with running_office(database_path.parent, drain_seconds=10.0) as office:
        office.target.gate.clear()
        await office.once("a")
        await office.received(1)
        asyncio.get_running_loop().call_later(0.3, office.target.gate.set)
        await office.service.__aexit__(None, None, None)
        received = len(office.target.received)
    async with running_office(database_path.parent) as again:
        call = (await again.calls("a"))[0]

        assert (call["state"], call["attempts"], received) == ("succeeded", 1, 1)
        assert again.target.received == []


async def test_refusing_database_is_a_503_and_executes_nothing(database_path: Path) -> None:
    """10: while nothing can be stored every route says so at once, and what it refused never happens."""
    fault = StoreFault()
    async with (
        running_service(database_path.parent, engine=fault.engine) as service,
        client_of(service) as client,
    ):
        office = AgentOffice(service, None, client)  # type: ignore[arg-type]  # nothing is called
        fault.reason = "the disk is full"
        began = time.monotonic()
        body = {"name": "a", "targetUrl": "http://127.0.0.1:9/", "oneTime": True}
        refusals = [
            await office.ask("POST", "/agents", body),
            await office.ask("GET", "/agents"),
            await office.ask("GET", "/queues"),
            await office.ask("DELETE", "/agents/a"),
        ]
        took = time.monotonic() - began
        fault.reason = None
        agents = (await office.good("GET", "/agents"))["agents"]

    assert [one[0] for one in refusals] == [503] * 4
    assert took < 5
    assert agents == []


async def test_timeout_covers_the_body_of_the_answer(office: AgentOffice) -> None:
    """11: an answer whose body does not come is a failure when the time is over."""

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b'{"half":')
        await asyncio.sleep(5)
        return answer

    app = web.Application()
    app.router.add_post("/", slow)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await office.good(
        "POST",
        "/agents",
        {"name": "a", "targetUrl": url, "oneTime": True, "timeout": 200, "retry": {"attempts": 1}},
    )
    dead = await office.newest_becomes("a", "dead")
    await runner.cleanup()

    assert "did not answer within 0.2 s" in dead["error"]
    assert 150 <= dead["durationMs"] < 3_000


async def test_answer_without_an_end_is_cut_off(office: AgentOffice) -> None:
    """11: of a long answer the beginning is kept, and it asks for nothing."""
    office.target.answers.append(web.Response(text='{"requeue": true, "filler": "' + "x" * 3_000_000 + '"}'))
    await office.once("a")
    call = await office.newest_becomes("a", "succeeded")

    assert len(call["responseHead"]) == 2_000
    assert len(await office.calls("a")) == 1


async def test_failed_prompt_does_not_hide_its_failure(office: AgentOffice) -> None:
    """11: a prompt whose run fails is a dead call with the run's reason."""
    await office.good(
        "POST", "/agents", {"name": "p", "prompt": "x", "options": {"backend": "nobody"}, "oneTime": True}
    )
    dead = await office.newest_becomes("p", "dead")

    assert dead["error"] == "There is no coding agent nobody."


async def test_history_is_forgotten_in_time(office: AgentOffice) -> None:
    """12: what is over is forgotten after its days, with one-time agents that nothing is left of."""
    for name in ("a", "b"):
        await office.once(name)
        await office.newest_becomes(name, "succeeded")
    await office.good(
        "POST", "/agents", {"name": "kept", "targetUrl": office.target.url, "schedule": "daily"}
    )
    later_ms = to_ms(office.service.clock.now()) + 1
    await office.service.services.db.write(lambda conn: forget_before(conn, later_ms))

    assert [agent["name"] for agent in (await office.good("GET", "/agents"))["agents"]] == ["kept"]
    assert (await office.good("GET", "/queues/default"))["completed"] == 0


async def test_dead_prompt_that_is_tried_again_runs_again(database_path: Path, tmp_path: Path) -> None:
    """7: a retry of a prompt is a fresh run, whose result is the call's."""
    repository = tmp_path / "repositories" / "r"
    repository.mkdir(parents=True)
    obstacle = repository / MEMORY
    obstacle.write_text("no folder")
    async with running_office(database_path.parent, repositories_path=repository.parent) as office:
        prompt = {"name": "p", "prompt": "calculate 6 * 7", "options": {"repository": "r"}, "oneTime": True}
        await office.good("POST", "/agents", prompt)
        dead = await office.newest_becomes("p", "dead")
        obstacle.unlink()
        await office.good("POST", f"/agents/p/calls/{dead['id']}/retry")
        done = await office.newest_becomes("p", "succeeded")

    assert "cannot be used" in dead["error"]
    assert "42" in done["responseHead"]
    assert done["runId"] != dead["runId"]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Location": "http://[::1"}, id="no-address"),
        pytest.param({"Retry-After": "Mon, 16 Nov 2009 13:32:02 +99999999999999"}, id="no-date"),
    ],
)
async def test_answer_that_makes_no_sense_is_one_try(office: AgentOffice, headers: dict[str, str]) -> None:
    """7: whatever a target answers, the call is made as often as its rule says, and then told about."""
    office.target.answers.append(web.Response(status=302, headers=headers))
    await office.once("a", retry={"attempts": 1})
    dead = await office.newest_becomes("a", "dead")

    assert (dead["attempts"], len(office.target.received)) == (1, 1)
    assert "cut off" not in dead["error"]
