"""`/cursor/*` and `/health/queue` as the older runner's callers know them, without its listed defects."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from runner_callers import SECRET, Caller, calling, runner_service
from wireroom.app.service import Service
from wireroom.store.schema import callbacks, runs
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

RUNNING = ["/cursor/execute", "/cursor/execute/async", "/cursor/iterate", "/cursor/iterate/async"]
ASYNC = ["/cursor/execute/async", "/cursor/iterate/async"]
SYNC = ["/cursor/execute", "/cursor/iterate"]
every_route = pytest.mark.parametrize("path", RUNNING)
ACCEPTED = "Request accepted, processing asynchronously"
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NO_REPOSITORY = (
    "Repository not found locally: {}. Please ensure the repository exists in the repositories directory."
)


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the repositories' folder, with one repository, and a link that leads out."""
    root = tmp_path / "repositories"
    (root / "shop").mkdir(parents=True)
    (root / "way-out").symlink_to(tmp_path)
    (root / "file").touch()
    return root


@pytest.fixture
async def service(database_path: Path, agent: ScriptedAgent, root: Path) -> AsyncIterator[Service]:
    """Run a service with two slots, in which three runs may wait."""
    async with runner_service(
        database_path.parent, agent, repositories_path=root, run_slots=2, queue_limit=3
    ) as running:
        yield running


@pytest.fixture
async def program(service: Service) -> AsyncIterator[Caller]:
    """Lend a program that sends the secret."""
    async with calling(service) as caller:
        yield caller


async def test_execute_answers_with_the_result(program: Caller) -> None:
    """A good run: 200 and the contract's body."""
    wanted = {"prompt": "say Done.", "id": "req-1", "repository": "shop", "branchName": "main"}
    answer = await program.post("/cursor/execute", wanted)
    body = answer.body
    assert answer.status == 200
    assert {
        "success": True,
        "requestId": "req-1",
        "repository": "shop",
        "branchName": "main",
        "output": "Done.",
        "error": None,
        "exitCode": 0,
        "state": "succeeded",
    }.items() <= body.items()
    assert isinstance(body["command"], list)
    assert re.fullmatch(r"\d+ms", body["duration"])
    assert STAMP.fullmatch(body["timestamp"])
    assert "iterations" not in body


async def test_execute_leaves_out_what_was_not_sent(program: Caller) -> None:
    """`repository` and `branchName` are absent when the caller sent none, and the id is made up."""
    body = (await program.post("/cursor/execute", {"prompt": "say x"})).body
    assert not {"repository", "branchName"} & body.keys()
    assert re.fullmatch(r"req-\d{13}-[0-9a-z]{9}", body["requestId"])


async def test_execute_tells_of_a_failed_agent(program: Caller) -> None:
    """A finished agent is a 200 as before, but an exit code of 3 is no success any more."""
    answer = await program.post("/cursor/execute", {"prompt": "say half; exit 3"})
    assert answer.status == 200
    assert (answer.body["success"], answer.body["exitCode"]) == (False, 3)
    assert (answer.body["output"], answer.body["state"]) == ("half", "failed")
    assert answer.body["error"]
    assert answer.body["errorCode"]


async def test_execute_keeps_what_was_said_before_a_timeout(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """A run that takes too long is a 500 with the partial output."""
    async with (
        runner_service(database_path.parent, agent, run_seconds=1.0) as service,
        calling(service) as program,
    ):
        answer = await program.post("/cursor/execute", {"prompt": "say partial; hang"})
    assert answer.status == 500
    assert (answer.body["success"], answer.body["state"]) == (False, "timed_out")
    assert answer.body["output"] == "partial"
    assert answer.body["error"]
    assert answer.body["requestId"]


@pytest.mark.parametrize("repository", ["shop", None, " "])
async def test_execute_works_in_the_repository(
    program: Caller, service: Service, root: Path, repository: str | None
) -> None:
    """The named folder is the agent's; without one it is the root."""
    body = (await program.post("/cursor/execute", {"prompt": "say x", "repository": repository})).body
    query = select(runs.c.workdir).where(runs.c.id == body["runId"])
    found = await service.services.db.read(lambda conn: conn.execute(query).scalar_one())
    assert found == str(root / "shop" if repository == "shop" else root)


@every_route
@pytest.mark.parametrize("body", [None, {}, {"prompt": ""}, {"prompt": "  "}, {"prompt": None}])
async def test_missing_prompt_is_refused(program: Caller, path: str, body: object) -> None:
    """No body, and no prompt in it, is a 400 in the shortest shape."""
    answer = await program.post(path, body)
    assert (answer.status, answer.body) == (400, {"success": False, "error": "prompt is required"})


@every_route
async def test_body_that_is_no_json_counts_as_none(program: Caller, path: str) -> None:
    """A form, or JSON that does not say so, is no body; the older runner fell over it."""
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await program.post(path, data='{"prompt": "x"}', headers={"Content-Type": content_type})
        assert (answer.status, answer.body["error"]) == (400, "prompt is required")


@every_route
@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"prompt": 123}, "prompt must be a string"),
        ({"prompt": "x", "maxIterations": "many"}, "maxIterations"),
        ({"prompt": "x", "maxIterations": -1}, "maxIterations"),
        ({"prompt": "x", "maxIterations": 101}, "maxIterations"),
        ({"prompt": "x", "id": 5}, "id"),
        ({"prompt": "x", "id": "a\nb"}, "id"),
        ({"prompt": "x", "conversationId": "../up"}, "conversationId"),
        ({"prompt": "x", "conversationId": ".."}, "conversationId"),
        ({"prompt": "x", "repository": ["shop"]}, "repository"),
        ({"prompt": "x", "model": "--danger"}, "model"),
        ({"prompt": "x", "backend": "nobody"}, "nobody"),
        ({"prompt": "x", "reviewer": "nobody"}, "nobody"),
        ({"prompt": "x", "budgetUsd": 0}, "budgetUsd"),
        ({"prompt": "x", "budgetMinutes": "inf"}, "budgetMinutes"),
        ({"prompt": "x", "mcpServers": "a"}, "mcpServers"),
        ({"prompt": "x", "worktree": "perhaps"}, "worktree"),
    ],
)
async def test_field_that_cannot_be_meant_is_refused(
    program: Caller, path: str, body: dict[str, object], error: str
) -> None:
    """A wrong type or value is a 400 that names the field, not a 500."""
    answer = await program.post(path, body)
    assert answer.status == 400
    assert answer.body["success"] is False
    assert error in answer.body["error"]


@every_route
@pytest.mark.parametrize("name", ["nowhere", "../repositories", "/etc", "way-out", "way-out/agent", "file"])
async def test_unknown_repository_is_refused(program: Caller, path: str, name: str) -> None:
    """A folder that is not there, or leads out of the root, is a 404."""
    answer = await program.post(path, {"prompt": "say x", "repository": name})
    assert answer.status == 404
    assert answer.body == {"success": False, "error": NO_REPOSITORY.format(name)}


@every_route
async def test_broken_json_and_large_bodies_are_refused(program: Caller, path: str) -> None:
    """Broken JSON is a 400 and more than a megabyte a 413, both with time and path."""
    kind = {"Content-Type": "application/json"}
    for data, status in ((b'{"prompt": ', 400), (b"[1]", 400), (b'{"prompt": "\\ud800"}', 400)):
        answer = await program.post(path, data=data, headers=kind)
        assert (answer.status, answer.body["path"]) == (status, path)
    answer = await program.post(path, {"prompt": "x" * 1_000_000})
    assert (answer.status, answer.body["error"]) == (413, "request entity too large")
    assert STAMP.fullmatch(answer.body["timestamp"])


async def test_prompt_of_many_hundred_kilobytes_is_run(program: Caller) -> None:
    """What no command line could carry reaches the agent."""
    body = (await program.post("/cursor/execute", {"prompt": "say x\n" + "# " * 300_000})).body
    assert body["requestId"]
    run = await program.run_in_state(body["runId"], "succeeded", "failed")
    assert len(run["prompt"]) > 600_000


@pytest.mark.parametrize("path", ASYNC)
async def test_async_request_is_stored_before_it_is_accepted(
    program: Caller, agent: ScriptedAgent, path: str
) -> None:
    """200 at once, while the agent works; the run can be found under the caller's id."""
    prompt = f"{agent.gate('go')}; say x"
    answer = await program.post(path, {"prompt": prompt, "id": "req-7"})
    assert answer.status == 200
    assert {"success": True, "message": ACCEPTED, "requestId": "req-7"}.items() <= answer.body.items()
    assert STAMP.fullmatch(answer.body["timestamp"])
    run = (await program.get("/api/runs/req-7")).body
    assert (run["id"], run["prompt"]) == (answer.body["runId"], prompt)
    assert run["state"] in {"queued", "running"}
    agent.open_gate("go")


async def test_repeated_async_request_is_one_run(program: Caller, agent: ScriptedAgent) -> None:
    """The same id is the same run, however often it is sent."""
    answers = await asyncio.gather(
        *(program.post("/cursor/execute/async", {"prompt": "say once", "id": "twin"}) for _ in range(8))
    )
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body["runId"] for answer in answers}) == 1
    await program.run_in_state("twin", "succeeded")
    assert agent.ledger.starts()["say once"] == 1


async def test_repeated_sync_request_waits_for_the_same_run(program: Caller, agent: ScriptedAgent) -> None:
    """A caller that lost its connection asks again and gets the result of the first run."""
    body = {"prompt": f"{agent.gate('go')}; say once", "id": "again"}
    first = asyncio.create_task(program.post("/cursor/execute", body))
    await eventually(agent.ledger.starts, "the agent works")
    first.cancel()
    second = asyncio.create_task(program.post("/cursor/execute", body))
    agent.open_gate("go")
    assert (await second).body["output"] == "once"
    assert (await program.post("/cursor/execute", body)).body["output"] == "once"
    assert sum(agent.ledger.starts().values()) == 1


@every_route
async def test_id_of_another_request_is_a_conflict(program: Caller, path: str) -> None:
    """An id that stands for another prompt loses neither: 409."""
    await program.post("/cursor/execute", {"prompt": "say one", "id": "taken"})
    answer = await program.post(path, {"prompt": "say two", "id": "taken"})
    assert answer.status == 409
    assert "taken" in answer.body["error"]


async def test_caller_who_leaves_does_not_stop_the_run(program: Caller, agent: ScriptedAgent) -> None:
    """The run goes on, and its result can be had."""
    body = {"prompt": f"{agent.gate('go')}; say on", "id": "left"}
    waiting = asyncio.create_task(program.post("/cursor/execute", body))
    await eventually(agent.ledger.starts, "the agent works")
    waiting.cancel()
    agent.open_gate("go")
    run = await program.run_in_state("left", "succeeded")
    assert run["output"] == "on"


@pytest.mark.one_process("three workers have three times its slots")
@every_route
async def test_full_queue_refuses_with_a_time_to_wait(
    program: Caller, agent: ScriptedAgent, path: str
) -> None:
    """With as many waiting as may wait: 429 and Retry-After, nothing stored; a known id is still answered."""
    for number in range(5):
        wanted = {"prompt": agent.gate("go"), "id": f"fill-{number}", "conversationId": f"c{number}"}
        assert (await program.post("/cursor/execute/async", wanted)).status == 200
        if number < 2:
            await program.run_in_state(f"fill-{number}", "running")
    answer = await program.post(path, {"prompt": "say x", "id": "late"})
    assert (answer.status, answer.body["success"]) == (429, False)
    assert int(answer.headers["Retry-After"]) > 0
    assert (await program.get("/api/runs/late")).status == 404
    health = (await program.get("/health/queue")).body
    assert health["queue"] == {"available": 0, "waiting": 3, "maxConcurrent": 2}
    assert health["warning"]
    again = {"prompt": agent.gate("go"), "id": "fill-4", "conversationId": "c4"}
    assert (await program.post("/cursor/execute/async", again)).status == 200
    agent.open_gate("go")
    for number in range(5):
        await program.run_in_state(f"fill-{number}", "succeeded")


async def test_queue_health_of_an_idle_service(service: Service) -> None:
    """Anybody may ask: 200, the contract's body, no warning."""
    async with calling(service, secret=None) as stranger:
        answer = await stranger.get("/health/queue")
    assert answer.status == 200
    assert answer.body == {
        "status": "ok",
        "service": "cursor-runner",
        "queue": {"available": 2, "waiting": 0, "maxConcurrent": 2},
        "warning": None,
    }


@every_route
async def test_caller_without_the_secret_is_refused(service: Service, path: str) -> None:
    """Nothing, and a wrong secret, is a 401; the older runner left three of the four open."""
    async with calling(service, secret=None) as stranger:
        for headers in ({}, {"X-Webhook-Secret": "wrong"}):
            answer = await stranger.post(path, {"prompt": "say x"}, headers=headers)
            assert (answer.status, answer.body["success"]) == (401, False)
            if path in ASYNC:
                assert answer.body["error"] == "Unauthorized - invalid or missing webhook secret"
                assert STAMP.fullmatch(answer.body["timestamp"])


@every_route
async def test_secret_in_the_query_counts_only_where_it_was_sent(service: Service, path: str) -> None:
    """`?secret=` opens the asynchronous routes and no other."""
    async with calling(service, secret=None) as stranger:
        answer = await stranger.post(f"{path}?secret={SECRET}", {"prompt": "say x"})
    assert answer.status == (200 if path in ASYNC else 401)


@pytest.mark.parametrize("header", ["X-Webhook-Secret", "X-Cursor-Runner-Secret", "Authorization"])
async def test_secret_in_a_header_opens_every_route(service: Service, header: str) -> None:
    """Each header of the older services, and a bearer token."""
    value = f"Bearer {SECRET}" if header == "Authorization" else SECRET
    async with calling(service, {header: value}, secret=None) as program:
        for path in RUNNING:
            assert (await program.post(path, {})).status == 400


async def test_requests_of_a_queue_share_its_conversation(program: Caller) -> None:
    """Without an id a request joins the current conversation of its queue, which the id's beginning names."""
    first = (await program.post("/cursor/execute", {"prompt": "say 1"})).body
    same = (await program.post("/cursor/execute", {"prompt": "say 2", "queueType": "made-up"})).body
    chat = (await program.post("/cursor/execute", {"prompt": "say 3", "id": "telegram-5"})).body
    api = (await program.post("/cursor/execute", {"prompt": "say 4", "queueType": "api"})).body
    assert same["conversationId"] == first["conversationId"]
    assert len({one["conversationId"] for one in (first, chat, api)}) == 3


async def test_new_conversation_becomes_the_queues_current_one(program: Caller) -> None:
    """The next request of the queue joins it; a wish for an unknown queue is echoed and is the default."""
    before = (await program.post("/cursor/execute", {"prompt": "say 1"})).body["conversationId"]
    answer = await program.post("/cursor/conversation/new", {"queueType": "made-up"})
    assert answer.status == 200
    assert answer.body == {
        "success": True,
        "conversationId": answer.body["conversationId"],
        "message": "New conversation created",
        "queueType": "made-up",
    }
    after = (await program.post("/cursor/execute", {"prompt": "say 2"})).body["conversationId"]
    assert after == answer.body["conversationId"] != before
    assert (await program.post("/cursor/conversation/new")).body["queueType"] == "default"


@pytest.mark.parametrize("name", ["conversationId", "conversation_id"])
async def test_explicit_conversation_moves_no_pointer(program: Caller, name: str) -> None:
    """A named conversation is used, or begun under that name; the queue's own stays current."""
    current = (await program.post("/cursor/execute", {"prompt": "say 1"})).body["conversationId"]
    named = (await program.post("/cursor/execute", {"prompt": "say 2", name: "mine"})).body
    assert named["conversationId"] == "mine"
    after = (await program.post("/cursor/execute", {"prompt": "say 3"})).body["conversationId"]
    assert after == current


async def test_runs_of_one_conversation_go_one_at_a_time(program: Caller, agent: ScriptedAgent) -> None:
    """The second waits for the first; another conversation does not."""
    for request_id, conversation in (("a1", "a"), ("a2", "a"), ("b1", "b")):
        gate = agent.gate("b" if conversation == "b" else request_id)
        wanted = {"prompt": f"say {request_id}; {gate}", "id": request_id, "conversationId": conversation}
        await program.post("/cursor/execute/async", wanted)
    await program.run_in_state("a1", "running")
    await program.run_in_state("b1", "running")
    assert (await program.get("/api/runs/a2")).body["state"] == "queued"
    agent.open_gate("a1")
    await program.run_in_state("a2", "running")
    for gate in ("a2", "b"):
        agent.open_gate(gate)
    await program.run_in_state("a2", "succeeded")


async def test_iterate_answers_with_its_rounds(database_path: Path, agent: ScriptedAgent) -> None:
    """A loop whose review says complete is a 200 with its rounds; 0 rounds mean the default of five."""
    verdict = {"code_complete": True, "break_iteration": False, "justification": "All is there."}
    async with (
        runner_service(database_path.parent, agent, script=f"say {json.dumps(verdict)}") as service,
        calling(service) as program,
    ):
        wanted = {"prompt": "do it", "maxIterations": 0, "id": "loop", "branchName": "main"}
        answer = await program.post("/cursor/iterate", wanted)
    assert answer.status == 200
    assert {
        "success": True,
        "requestId": "loop",
        "branchName": "main",
        "iterations": 0,
        "maxIterations": 5,
        "reviewJustification": "All is there.",
        "error": None,
        "exitCode": 0,
    }.items() <= answer.body.items()
    assert "command" not in answer.body


async def test_iterate_without_a_verdict_is_unprocessable(program: Caller) -> None:
    """A review that cannot be read is no success: 422, with what was said and why."""
    answer = await program.post("/cursor/iterate", {"prompt": "say x", "maxIterations": 25})
    assert (answer.status, answer.body["success"]) == (422, False)
    assert (answer.body["output"], answer.body["maxIterations"]) == ("x", 25)
    assert answer.body["error"]
    assert answer.body["errorCode"]


async def test_iterate_of_a_failed_agent_is_unprocessable(program: Caller) -> None:
    """A loop whose agent fails is a 422 with what was said."""
    answer = await program.post("/cursor/iterate", {"prompt": "say half; exit 3"})
    assert (answer.status, answer.body["success"]) == (422, False)
    assert answer.body["output"] == "half"
    assert answer.body["error"]


async def test_retried_run_stays_in_its_conversation(program: Caller) -> None:
    """A retry asks the same of the same conversation, repository and mode."""
    wanted = {"prompt": "say half; exit 3", "conversationId": "mine", "repository": "shop"}
    first = (await program.post("/cursor/execute", wanted)).body
    retry = await program.post(f"/api/runs/{first['runId']}/retry")
    assert retry.status == 202
    run = await program.run_in_state(retry.body["run_id"], "failed")
    assert (run["conversation_id"], run["repository"], run["mode"]) == ("mine", "shop", "execute")
    again = await program.post(f"/api/runs/{first['runId']}/retry")
    assert (again.body["run_id"], again.body["created"]) == (run["id"], False)


@pytest.mark.parametrize("path", ASYNC)
@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({}, "prompt is required"),
        ({"prompt": "say x", "repository": "nowhere"}, NO_REPOSITORY.format("nowhere")),
    ],
)
async def test_request_that_cannot_be_run_is_reported_by_callback(
    program: Caller, service: Service, path: str, wanted: dict[str, str], error: str
) -> None:
    """With a callback it is accepted, kept as a failed run, and its callback says why."""
    body = {**wanted, "id": "bad", "callbackUrl": "http://127.0.0.1:1/callback?secret=s"}
    answer = await program.post(path, body)
    assert (answer.status, answer.body["message"]) == (200, ACCEPTED)
    run = (await program.get("/api/runs/bad")).body
    assert (run["state"], run["reason"], run["started_at"]) == ("failed", error, None)
    [(state, payload)] = await callbacks_of(service, run["id"])
    assert state != "waiting"
    assert {
        "success": False,
        "requestId": "bad",
        "error": error,
        "exitCode": 1,
        "duration": "0ms",
        "output": "",
    }.items() <= json.loads(payload or "").items()


@pytest.mark.parametrize("name", ["callbackUrl", "callback_url"])
@pytest.mark.parametrize("path", ASYNC)
async def test_callback_is_stored_with_the_run(
    program: Caller, service: Service, agent: ScriptedAgent, path: str, name: str
) -> None:
    """The promise is kept where the request is; the secret of its address is kept apart."""
    wanted = {"prompt": agent.gate("go"), name: "http://127.0.0.1:1/callback?secret=s"}
    answer = await program.post(path, wanted)
    assert await callbacks_of(service, answer.body["runId"]) == [("waiting", None)]
    agent.open_gate("go")


@every_route
async def test_callback_address_that_cannot_be_meant_is_refused(program: Caller, path: str) -> None:
    """400 and nothing stored; the synchronous routes ignore the address."""
    answer = await program.post(path, {"prompt": "say x", "id": "odd", "callbackUrl": "ftp://x"})
    if path in ASYNC:
        assert (answer.status, answer.body["success"]) == (400, False)
        assert (await program.get("/api/runs/odd")).status == 404
    else:
        assert answer.status in {200, 422}


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("http://app:3000", "http://app:3000/cursor-runner/callback"),
        ("http://app:3000/mine", "http://app:3000/mine"),
    ],
)
async def test_loop_without_an_address_reports_to_the_setting(
    database_path: Path, agent: ScriptedAgent, setting: str, url: str
) -> None:
    """`/cursor/iterate/async` has a default receiver; `/cursor/execute/async` has none."""
    async with (
        runner_service(database_path.parent, agent, default_callback_url=setting) as service,
        calling(service) as program,
    ):
        gate = {"prompt": agent.gate("go")}
        loop = (await program.post("/cursor/iterate/async", gate)).body["runId"]
        plain = (await program.post("/cursor/execute/async", gate)).body["runId"]
        found = await service.services.db.read(
            lambda conn: conn.execute(select(callbacks.c.run_id, callbacks.c.url)).all()
        )
        agent.open_gate("go")
    assert [(run_id, sent) for run_id, sent in found] == [(loop, url)]
    assert plain != loop


async def callbacks_of(service: Service, run_id: str) -> list[tuple[str, str | None]]:
    """Return the state and payload of the run's callbacks."""
    query = select(callbacks.c.state, callbacks.c.payload).where(callbacks.c.run_id == run_id)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    return [(row.state, row.payload) for row in rows]


@pytest.mark.one_process("it takes the news from one web; the others have theirs")
async def test_service_that_stops_tells_its_waiting_caller(database_path: Path, agent: ScriptedAgent) -> None:
    """503 with Retry-After and the id to ask again with; the run is kept."""
    async with runner_service(database_path.parent, agent) as service, calling(service) as program:
        body = {"prompt": f"{agent.gate('go')}; say x", "id": "stay"}
        waiting = asyncio.create_task(program.post("/cursor/execute", body))
        await eventually(agent.ledger.starts, "the agent works")
        service.services.feed.close()
        answer = await waiting
        agent.open_gate("go")
    assert answer.status == 503
    assert "stay" in answer.body["error"]
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.one_process("it closes the store of one web; the others answer")
async def test_store_that_is_down_answers_503(program: Caller, service: Service) -> None:
    """Nothing is accepted that is not stored."""
    await service.services.db.close()
    answer = await program.post("/cursor/execute/async", {"prompt": "say x"})
    assert answer.status == 503
    assert answer.headers["Retry-After"]


async def test_routes_are_described(program: Caller) -> None:
    """OpenAPI tells of the body's fields, the new ones included."""
    paths = (await program.get("/openapi.json")).body["paths"]
    described = json.dumps(paths["/cursor/execute"]["post"]["requestBody"])
    for field in ("prompt", "worktree", "model", "mcpServers", "backend", "budgetMinutes", "budgetUsd"):
        assert f'"{field}"' in described


async def test_unknown_route_names_path_and_method(program: Caller) -> None:
    """404 with the contract's words."""
    answer = await program.post("/cursor/nothing", {})
    assert answer.status == 404
    assert {
        "success": False,
        "error": "Route not found",
        "path": "/cursor/nothing",
        "method": "POST",
    }.items() <= (answer.body.items())
