"""Numbers and texts that no database can take are the caller's mistake, on each database and every route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest

from runner_callers import Caller, calling, runner_service
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)
HUGE = "9" * 20
GETS = [
    f"/api/runs/one/events?after={HUGE}",
    f"/api/runs?page={HUGE}",
    f"/api/conversations-of-nobody?before={HUGE}",
    f"/api/list?limit={HUGE}",
    f"/api/agents/nobody/calls?before={HUGE}",
    f"/api/tasks?page={HUGE}",
    f"/api/tasks/{HUGE}",
    f"/api/callbacks?page={HUGE}",
    "/api/runs/a%00b",
    "/api/runs?lane=a%00b",
    "/api/a%00b",
    "/api/agent/a%00b",
    "/api/settings/a%00b",
    "/api/agents/a%00b",
    "/api/prompts/a%00b",
    "/git/repositories?x=a%00b",
    "/repositories/a%00b/files",
]
POSTS = [
    (f"/api/callbacks/{HUGE}/retry", {}),
    (f"/api/callbacks/-{HUGE}/discard", {}),
    (f"/api/deliveries/{HUGE}/retry", {}),
    (f"/api/deliveries/-{HUGE}/discard", {}),
    (f"/api/agents/nobody/calls/{HUGE}/retry", {}),
    ("/api/runs/a%00b/cancel", {}),
    ("/cursor/execute/async", {"id": "a\0b", "prompt": "x"}),
    ("/cursor/execute/async", {"id": "a", "prompt": "x", "conversationId": "a\0b"}),
    ("/api/tasks", {"prompt": "x", "order": int(HUGE)}),
]


@pytest.fixture(params=["embedded", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def caller(request: pytest.FixtureRequest, database_path: Path) -> AsyncIterator[Caller]:
    """Lend a program that calls a service on each database in turn."""
    folder = database_path.parent
    agent = ScriptedAgent(folder)
    if request.param == "embedded":
        async with runner_service(folder, agent) as service, calling(service) as lent:
            yield lent
        return
    with request.getfixturevalue("postgres").database() as url:
        async with runner_service(folder, agent, database_url=url) as service, calling(service) as lent:
            yield lent


async def test_odd_values_are_refused_by_every_route(caller: Caller) -> None:
    """A 4xx each, and the service goes on."""
    await caller.post("/cursor/execute", {"id": "one", "prompt": "say x"})
    calls = [("GET", path, None) for path in GETS] + [("POST", path, body) for path, body in POSTS]
    found = {}
    for method, path, body in calls:
        answer = await caller.call(method, path, body)
        found[f"{method} {path}"] = answer.status
    wrong = {call: status for call, status in found.items() if not 400 <= status < 500}
    assert wrong == {}
    headers = {"Last-Event-ID": HUGE}
    assert (await caller.get("/api/runs/one/stream", headers=headers)).status == HTTPStatus.BAD_REQUEST


async def test_text_that_no_database_takes_is_refused(caller: Caller) -> None:
    """Half a character in JSON is valid there and nowhere else."""
    answer = await caller.call(
        "POST", "/api/chat", data=b'{"text": "\\ud800"}', headers={"Content-Type": "application/json"}
    )
    assert 400 <= answer.status < 500


async def test_socket_with_nul_in_its_address_is_not_opened(caller: Caller) -> None:
    """It is closed before it is open."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await caller.session.ws_connect("/api/ws?conversationId=a%00b")
    assert refused.value.status == HTTPStatus.FORBIDDEN
