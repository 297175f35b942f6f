"""The routes by which programs reach the older chat front end: callbacks, relayed operations, agent tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text
from starlette.applications import Starlette

from wireroom.api.agent_tools import AgentTools
from wireroom.api.callback_inbox import MAX_BODY_BYTES, CallbackInbox
from wireroom.api.runner_relay import Operation, RunnerAnswer, RunnerRelay
from wireroom.api.services import Services
from wireroom.app.commands import services_for_commands
from wireroom.app.web_server import WebServer, bind
from wireroom.callbacks.inbox import find_result, forget_results, remote_topic
from wireroom.errors import Conflict, StoreBusy, WireroomError
from wireroom.runs.states import RunState
from wireroom.settings import Settings
from wireroom.store.database import Unit
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)
SECRET = "secret-of-the-installation"
THEIRS = "secret-of-the-remote-runner"
KNOWN = {"X-Webhook-Secret": SECRET}
_ROWS = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
        VALUES ('c', 'api', 'lane', 1, '/', 1, 1);
    INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, output,
            queued_at)
        VALUES ('run-1', 'r1', 'c', 'lane', 'api', 'x', 'remote', '/', 'running', NULL, 1),
            ('run-2', 'r2', 'c', 'lane', 'api', 'x', 'remote', '/', 'succeeded', 'all done', 2),
            ('run-3', 'r3', 'c', 'lane', 'api', 'x', 'remote', '/', 'queued', NULL, 3)
"""


@dataclass
class RecordingRunner:
    """Answers as told and keeps what it was asked."""

    answer: RunnerAnswer | WireroomError = field(
        default_factory=lambda: RunnerAnswer(200, {"success": True, "requestId": "r9", "output": "done"})
    )
    asked: list[tuple[Operation, Mapping[str, Any]]] = field(default_factory=list)

    async def call(self, operation: Operation, fields: Mapping[str, Any]) -> RunnerAnswer:
        """Keep what was asked."""
        self.asked.append((operation, fields))
        if isinstance(self.answer, WireroomError):
            raise self.answer
        return self.answer


@pytest.fixture
async def services(database_path: Path) -> AsyncIterator[Services]:
    """Lend the parts over a database with three runs."""
    settings = Settings(data_dir=database_path.parent, webhook_secret=SecretStr(SECRET), backend="demo")
    async with services_for_commands(settings, ManualClock()) as made:
        await made.db.write(
            lambda conn: [conn.execute(text(statement)) for statement in _ROWS.split(";")] and None
        )
        yield made


@pytest.fixture
def runner() -> RecordingRunner:
    """Lend the runner."""
    return RecordingRunner()


@pytest.fixture
async def http(services: Services, runner: RecordingRunner) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client of the routes."""
    inbox = CallbackInbox(services.db, services.clock, services.feed, secrets=[SECRET, THEIRS, ""])
    relay, tools = RunnerRelay(services, runner), AgentTools(services, runner)
    listener = bind("127.0.0.1", 0)
    server = WebServer(Starlette(routes=[*inbox.routes(), *relay.routes(), *tools.routes()]), listener)
    serving = asyncio.create_task(server.run())
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            yield client
    finally:
        server.stop()
        await serving


async def post(
    http: aiohttp.ClientSession, path: str, body: object = None, **options: Any
) -> tuple[int, Any]:
    """Send JSON and return status and answer."""
    request: dict[str, Any] = {"json": body, "headers": KNOWN} | options
    async with http.post(path, **request) as response:
        return response.status, await response.json()


# Callbacks


@pytest.mark.parametrize("request_id", ["run-1", "r1", "run-1.2", "run-1.2.13", "run-3"])
async def test_callback_is_stored_and_wakes_who_waits(
    http: aiohttp.ClientSession, services: Services, request_id: str
) -> None:
    """A result for a run that has not ended is stored before the 200; its reader is woken and finds it."""
    body = {"success": True, "requestId": request_id, "output": "done", "unknown": [1]}
    with services.feed.listen(remote_topic(request_id)) as news:
        answer = await post(http, "/cursor-runner/callback", body)
        assert answer == (200, {"received": True, "request_id": request_id})
        async with asyncio.timeout(5):
            await news.wait()
    assert await services.db.read(lambda conn: find_result(conn, request_id)) == body


async def test_repeated_and_late_callbacks_change_nothing(
    http: aiohttp.ClientSession, services: Services
) -> None:
    """The first result counts; one for a run that has ended is taken note of and not kept."""
    for body in ({"requestId": "r1", "output": "one"}, {"requestId": "r1", "output": "two"}):
        assert (await post(http, "/cursor-runner/callback", body))[1]["received"] is True
    late = await post(http, "/cursor-runner/callback", {"request_id": "r2", "success": False})
    assert late == (200, {"received": True, "request_id": "r2"})

    def stored(conn: Connection) -> list[Any]:
        return [find_result(conn, one) for one in ("r1", "r2")]

    assert await services.db.read(stored) == [{"requestId": "r1", "output": "one"}, None]


async def test_callback_that_nobody_waits_for_is_answered_as_before(http: aiohttp.ClientSession) -> None:
    """An unknown id is 200, so that nobody sends it again."""
    answer = await post(http, "/cursor-runner/callback", {"requestId": "telegram-1-0a1b2c3d"})
    assert answer == (200, {"received": True, "message": "Request not found"})


@pytest.mark.parametrize(
    ("options", "status"),
    [
        pytest.param({"headers": {"X-Webhook-Secret": SECRET}}, 200, id="header"),
        pytest.param({"headers": {"X-Cursor-Runner-Secret": SECRET}}, 200, id="other-header"),
        pytest.param({"headers": {}, "params": {"secret": SECRET}}, 200, id="query"),
        pytest.param({"headers": {"X-Webhook-Secret": THEIRS}}, 200, id="the-remote-runners-own"),
        pytest.param({"headers": {}}, 401, id="none"),
        pytest.param({"headers": {"X-Webhook-Secret": ""}}, 401, id="empty"),
        pytest.param({"headers": {"X-Webhook-Secret": "wrong"}}, 401, id="wrong"),
        pytest.param({"headers": {}, "params": {"secret": ""}}, 401, id="empty-query"),
        pytest.param({"headers": {"X-Admin-Secret": SECRET}}, 401, id="another-routes-header"),
    ],
)
async def test_callback_needs_a_secret(
    http: aiohttp.ClientSession, options: dict[str, Any], status: int
) -> None:
    """Either header or the query may carry it; nothing else lets a result in."""
    found, body = await post(http, "/cursor-runner/callback", {"requestId": "r1"}, **options)
    assert found == status
    assert status == 200 or body == {"error": "Unauthorized"}


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        pytest.param({"json": {}}, 400, "request_id is required", id="no-id"),
        pytest.param({"json": {"requestId": 7}}, 400, "Invalid request_id format", id="number"),
        pytest.param({"json": None, "data": b"{"}, 400, "The body is not JSON.", id="broken"),
        pytest.param({"json": None, "data": b"[]"}, 400, "The body must be a JSON object.", id="no-object"),
        pytest.param({"json": None, "data": b"\xff"}, 400, "The body is not JSON.", id="no-text"),
        pytest.param(
            {"json": None, "data": BytesIO(b"x" * (MAX_BODY_BYTES + 1))},
            413,
            "A callback may have at most",
            id="long",
        ),
    ],
)
async def test_callback_that_cannot_be_meant_is_refused(
    http: aiohttp.ClientSession, options: dict[str, Any], status: int, error: str
) -> None:
    """What was a 500 and lost names its fault."""
    found, body = await post(http, "/cursor-runner/callback", **options)
    assert found == status
    assert body["error"].startswith(error)


async def test_callback_may_be_a_form(http: aiohttp.ClientSession, services: Services) -> None:
    """As for the older front end."""
    form = {"request_id": "r1", "output": "done"}
    assert (await post(http, "/cursor-runner/callback", json=None, data=form))[0] == 200
    assert await services.db.read(lambda conn: find_result(conn, "r1")) == form


async def test_callback_that_cannot_be_stored_is_to_be_sent_again(
    services: Services,
) -> None:
    """503 with Retry-After instead of a 200 for what is lost."""
    inbox = CallbackInbox(RefusingDatabase(), services.clock, services.feed, secrets=[SECRET])
    listener = bind("127.0.0.1", 0)
    server = WebServer(Starlette(routes=inbox.routes()), listener)
    serving = asyncio.create_task(server.run())
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/cursor-runner/callback"
    async with (
        aiohttp.ClientSession(headers=KNOWN) as client,
        client.post(url, json={"requestId": "r1"}) as response,
    ):
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
    server.stop()
    await serving


async def test_results_are_forgotten_in_time(http: aiohttp.ClientSession, services: Services) -> None:
    """What nobody waits for any more can be dropped by its age."""
    await post(http, "/cursor-runner/callback", {"requestId": "r1"})
    assert await services.db.write(lambda conn: forget_results(conn, 1)) == 0
    assert await services.db.write(lambda conn: forget_results(conn, 2**60)) == 1
    assert await services.db.read(lambda conn: find_result(conn, "r1")) is None


# The runner's operations


@pytest.mark.parametrize(
    ("call", "operation", "body"),
    [
        ("POST /cursor-runner/cursor/execute", Operation.EXECUTE, {"prompt": "x", "id": "i"}),
        ("POST /cursor-runner/cursor/iterate", Operation.ITERATE, {"prompt": "x", "maxIterations": 2}),
        ("POST /cursor-runner/git/clone", Operation.CLONE, {"repositoryUrl": "u"}),
        ("GET /cursor-runner/git/repositories", Operation.REPOSITORIES, {}),
        ("POST /cursor-runner/git/checkout", Operation.CHECKOUT, {"repository": "r", "branch": "b"}),
        ("POST /cursor-runner/git/push", Operation.PUSH, {"repository": "r", "branch": "b"}),
        ("POST /cursor-runner/git/pull", Operation.PULL, {"repository": "r", "branch": "b"}),
    ],
)
async def test_operation_is_the_runners(
    http: aiohttp.ClientSession,
    runner: RecordingRunner,
    call: str,
    operation: Operation,
    body: dict[str, Any],
) -> None:
    """Each path is one operation; its answer is passed on; nobody calls it without the secret."""
    method, path = call.split()
    async with http.request(method, path, json=body or None) as response:
        assert response.status == 401
        assert (await response.json())["success"] is False
    async with http.request(method, path, json=body or None, headers=KNOWN) as response:
        assert response.status == 200
        assert await response.json() == {"success": True, "requestId": "r9", "output": "done"}
    assert runner.asked == [(operation, body)]
    async with http.request("PUT", path, headers=KNOWN) as response:
        assert response.status == 405


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(RunnerAnswer(404, {"success": False, "error": "no"}), 422, id="refused"),
        pytest.param(Conflict("no"), 422, id="in-conflict"),
        pytest.param(StoreBusy("no"), 502, id="not-stored"),
    ],
)
async def test_failure_of_the_runner_is_passed_on(
    http: aiohttp.ClientSession, runner: RecordingRunner, answer: RunnerAnswer | WireroomError, status: int
) -> None:
    """422 for what the runner refuses and 502 for what it cannot do, with its reason."""
    runner.answer = answer
    found = await post(http, "/cursor-runner/cursor/execute", {"prompt": "x"})
    assert found == (status, {"success": False, "error": "no"})


async def test_relay_refuses_what_is_no_request(http: aiohttp.ClientSession, runner: RecordingRunner) -> None:
    """Broken and oversized bodies do not reach the runner."""
    for data, status in ((b"{", 422), (BytesIO(b"x" * (1024 * 1024 + 1)), 413)):
        assert (await post(http, "/cursor-runner/cursor/execute", json=None, data=data))[0] == status
    assert runner.asked == []


# Agent tools


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-EL-Secret": SECRET}, 200),
        ({"Authorization": f"Bearer {SECRET}"}, 200),
        ({"Authorization": f"Basic {SECRET}"}, 401),
        ({"Authorization": SECRET}, 401),
        ({"X-Webhook-Secret": SECRET}, 401),
        ({"X-EL-Secret": ""}, 401),
        ({}, 401),
    ],
)
async def test_agent_tools_need_the_secret(
    http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    """Its own header or a bearer token; an empty secret is no way around."""
    call = {"tool": "run_status", "args": {"request_id": "r1"}}
    found, body = await post(http, "/agent-tools", call, headers=headers)
    assert (found, body["ok"]) == (status, status == 200)
    assert set(body) == {"ok", "say", "result"}


@pytest.mark.parametrize(
    ("call", "ok", "say", "result"),
    [
        ({"tool": "run_status", "args": {"request_id": "r1"}}, True, "It is still working.", "running"),
        ({"tool": "run_status", "conversation_id": "c"}, True, "It is waiting for its turn.", "queued"),
        ({"tool": "run_status", "args": {"requestId": "r2"}}, True, "It is done.", "succeeded"),
        ({"tool": "cancel_run", "args": {"request_id": "r2"}}, False, "It is done.", "succeeded"),
        ({"tool": "cancel_run", "args": {"request_id": "r3"}}, True, "I am stopping it.", None),
    ],
)
async def test_tool_says_what_it_did(
    http: aiohttp.ClientSession, call: dict[str, Any], ok: bool, say: str, result: str | None
) -> None:
    """Runs are found by their id, or as the newest of the conversation."""
    status, body = await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    assert (status, body["ok"], body["say"]) == (200, ok, say)
    assert body["result"].get("state") == result


@pytest.mark.parametrize("state", RunState)
async def test_every_state_of_a_run_can_be_told(
    http: aiohttp.ClientSession, services: Services, state: RunState
) -> None:
    """Whatever became of a run is a sentence."""
    sql = text("UPDATE runs SET state = :state WHERE id = 'run-1'")
    await services.db.write(lambda conn: conn.execute(sql, {"state": state.value}) and None)
    call = {"tool": "run_status", "args": {"request_id": "run-1"}}
    _, body = await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    assert body["result"]["state"] == state.value
    assert body["say"].endswith(".")


async def test_tool_starts_a_run(http: aiohttp.ClientSession, runner: RecordingRunner) -> None:
    """It answers at once with the id, and the voice's conversation is the run's."""
    call = {
        "tool": "start_run",
        "args": {"prompt": "mend it", "repository": "shop"},
        "conversation_id": "conv_1",
    }
    status, body = await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    assert (status, body) == (200, {"ok": True, "say": "I have started it.", "result": {"requestId": "r9"}})
    assert runner.asked == [
        (
            Operation.EXECUTE_ASYNC,
            {"prompt": "mend it", "repository": "shop", "conversationId": "conv_1", "queueType": "api"},
        )
    ]


async def test_cancelled_run_is_cancelled(http: aiohttp.ClientSession, services: Services) -> None:
    """The waiting run leaves the queue, and the audit says who did it."""
    call = {"tool": "cancel_run", "args": {"request_id": "r3"}}
    await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    query = text("SELECT state FROM runs WHERE id = 'run-3' UNION ALL SELECT who FROM audit")
    assert await services.db.read(lambda conn: list(conn.execute(query).scalars())) == [
        "cancelled",
        "voice agent",
    ]


@pytest.mark.parametrize(
    ("call", "status", "error"),
    [
        pytest.param({}, 400, "tool is required", id="no-tool"),
        pytest.param({"tool": 5}, 400, "tool is required", id="tool-is-a-number"),
        pytest.param({"tool": "run_status", "args": []}, 400, "args must be an object", id="args"),
        pytest.param(
            {"tool": "run_status", "conversation_id": "a b"}, 400, "conversation_id", id="conversation"
        ),
        pytest.param({"tool": "dance"}, 200, "There is no such tool", id="unknown-tool"),
        pytest.param({"tool": "start_run"}, 200, "prompt is required", id="no-prompt"),
        pytest.param({"tool": "start_run", "args": {"prompt": 5}}, 200, "prompt must be text", id="prompt"),
        pytest.param({"tool": "run_status"}, 200, "There is no such run.", id="which-run"),
        pytest.param(
            {"tool": "run_status", "args": {"request_id": "?"}}, 200, "There is no", id="unknown-run"
        ),
    ],
)
async def test_tool_call_that_cannot_be_done_says_so(
    http: aiohttp.ClientSession, call: dict[str, Any], status: int, error: str
) -> None:
    """400 for what is no call; a call that a tool cannot do is a spoken no."""
    found, body = await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    assert (found, body["ok"]) == (status, False)
    assert error in body["result"]["error"]
    assert body["say"]


async def test_tool_says_that_the_runner_refuses(
    http: aiohttp.ClientSession, runner: RecordingRunner
) -> None:
    """A full queue is a spoken no; a database that refuses is a 503, to be tried again."""
    call = {"tool": "start_run", "args": {"prompt": "x"}}
    runner.answer = RunnerAnswer(429, {"success": False, "error": "1000 runs wait."})
    refused = await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET})
    assert refused == (
        200,
        {"ok": False, "say": "I could not start it.", "result": {"error": "1000 runs wait."}},
    )
    runner.answer = StoreBusy("busy")
    assert (await post(http, "/agent-tools", call, headers={"X-EL-Secret": SECRET}))[0] == 503


class RefusingDatabase:
    """A database that takes nothing."""

    dialect = "sqlite"

    async def write(self, unit: Unit[Any]) -> Any:  # noqa: ARG002 - never run
        """Refuse."""
        raise StoreBusy("another process holds the file")

    read = write

    def on_outside_change(self, callback: object) -> None:
        """Notice nothing."""

    async def close(self) -> None:
        """Do nothing."""
