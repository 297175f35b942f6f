"""The programs that called the older runner, call by call, against a running Wireroom.

One story each: the task operator, the prompt job, the chat front end, and the web client. They send what they
always sent; what they are told is what they always read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from runner_callers import SECRET, Caller, calling, runner_service
from wireroom.app.service import Service
from wireroom.store.schema import callbacks
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

Json = dict[str, Any]


@dataclass(slots=True)
class TaskOperator:
    """The old task operator's own address, where the runner reports."""

    url: str = ""
    reports: list[Json] = field(default_factory=list)
    secrets: list[str | None] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """Take a report."""
        self.secrets.append(request.headers.get("X-Webhook-Secret"))
        self.reports.append(json.loads(await request.read()))
        return web.json_response({"received": True})


@asynccontextmanager
async def listening_operator() -> AsyncIterator[TaskOperator]:
    """Run the operator's side on a port of the loopback."""
    operator = TaskOperator()
    app = web.Application()
    app.router.add_post("/task-operator/callback", operator.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        operator.url = f"http://127.0.0.1:{runner.addresses[0][1]}/task-operator/callback?secret={SECRET}"
        yield operator
    finally:
        await runner.cleanup()


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


@pytest.fixture
async def service(database_path: Path, agent: ScriptedAgent, tmp_path: Path) -> AsyncIterator[Service]:
    """Run a service with one repository."""
    (tmp_path / "repositories" / "shop").mkdir(parents=True)
    async with runner_service(
        database_path.parent,
        agent,
        repositories_path=tmp_path / "repositories",
        callback_hosts=("127.0.0.1",),
    ) as running:
        yield running


@pytest.fixture
async def program(service: Service) -> AsyncIterator[Caller]:
    """Lend a program that sends the secret."""
    async with calling(service) as caller:
        yield caller


@pytest.mark.parametrize(("prompt", "success"), [("say done", True), ("say half; exit 1", False)])
async def test_task_operator_hands_over_a_task(
    service: Service, program: Caller, prompt: str, *, success: bool
) -> None:
    """A conversation of its own, the task accepted at once, and its true end told to the operator."""
    async with listening_operator() as operator:
        conversation = await program.post("/cursor/conversation/new", {"queueType": "default"})
        assert (conversation.status, conversation.body["success"]) == (200, True)
        task = {
            "prompt": prompt,
            "repository": None,
            "callbackUrl": operator.url,
            "id": "req-1763769240000-k3j9x0a2b",
            "conversationId": conversation.body["conversationId"],
        }
        accepted = await program.post("/cursor/execute/async", task)
        assert (accepted.status, accepted.body["requestId"]) == (200, task["id"])
        run = await program.run_in_state(task["id"], "succeeded", "failed")
        assert run["conversation_id"] == task["conversationId"]
        await eventually(lambda: operator.reports, "the operator is told", timeout_seconds=20)
    assert [report["success"] for report in operator.reports] == [success]
    assert operator.reports[0]["requestId"] == task["id"]
    assert operator.reports[0]["output"] == run["output"]
    assert operator.secrets == [SECRET]
    query = select(callbacks.c.url)
    stored = await service.services.db.read(lambda conn: conn.execute(query).scalars().all())
    assert all(SECRET not in url for url in stored)


async def test_prompt_job_waits_for_its_result(program: Caller) -> None:
    """One call that stays open for the whole run; a broken prompt is no success any more."""
    job = {"prompt": "say tidied", "repository": "shop", "branchName": "main"}
    done = await program.post("/cursor/execute", job)
    assert (done.status, done.body["success"], done.body["output"]) == (200, True, "tidied")
    assert (done.body["repository"], done.body["branchName"]) == ("shop", "main")
    broken = await program.post("/cursor/execute", {**job, "prompt": "say tried; exit 2"})
    assert (broken.status, broken.body["success"], broken.body["exitCode"]) == (200, False, 2)


async def test_chat_front_end_executes_and_iterates(program: Caller) -> None:
    """Its ids choose the chat's conversation; a loop's refusal is a 422 that it reads like an answer."""
    first = {"repository": "", "branchName": "main", "prompt": "say hello", "id": "telegram-7-1"}
    said = await program.post("/cursor/execute", first)
    assert (said.status, said.body["output"], said.body["error"]) == (200, "hello", None)
    second = {**first, "id": "telegram-7-2", "prompt": "say stuck; exit 1", "maxIterations": 25}
    loop = await program.post("/cursor/iterate", second)
    assert (loop.status, loop.body["success"]) == (422, False)
    assert (loop.body["maxIterations"], loop.body["output"]) == (25, "stuck")
    assert loop.body["error"]
    assert loop.body["conversationId"] == said.body["conversationId"]


async def test_web_client_takes_notes(program: Caller, agent: ScriptedAgent) -> None:
    """A new note, a message, the answer live, and the note in the history."""
    base = "/conversations/api"
    assert (await program.get(f"{base}/list")).body == []
    note = (await program.post(f"{base}/new", {"queueType": "api"})).body["conversationId"]
    async with program.session.ws_connect(f"{base}/ws?conversationId={note}") as live:
        assert (await live.receive_json())["type"] == "conversation.snapshot"
        message = {"message": f"say first; {agent.gate('go')}; say  and last"}
        sent = await program.post(f"{base}/{note}/message", message)
        assert (sent.status, sent.body["success"]) == (200, True)
        kinds: list[str] = []
        async with asyncio.timeout(20):
            while True:
                heard = await live.receive_json()
                kinds.append(heard["type"])
                if heard["type"] == "run.event" and heard["payload"] == {"text": "first"}:
                    agent.open_gate("go")
                shown = heard.get("conversation", {"messages": []})["messages"]
                if [one["role"] for one in shown] == ["user", "assistant"]:
                    break
        assert "last" in shown[1]["content"]
    assert {"conversation.updated", "run.state", "run.event"} <= set(kinds)
    assert [one["conversationId"] for one in (await program.get(f"{base}/list")).body] == [note]
    assert (await program.get(f"{base}/{note}")).body["messages"] == shown


async def test_web_client_shows_agent_conversations(program: Caller) -> None:
    """Pages of twenty, a transcript stored by the browser, and its update live."""
    base = "/agent-conversations/api"
    talks = [(await program.post(f"{base}/new", {"agentId": "voice"})).body for _ in range(3)]
    talk = talks[0]["conversationId"]
    async with program.session.ws_connect(f"{base}/ws?conversationId={talk}") as live:
        assert (await live.receive_json())["type"] == "agent_conversation.snapshot"
        spoken = {"role": "user", "content": "Hello?", "source": "voice"}
        assert (await program.post(f"{base}/{talk}/message", spoken)).body["success"] is True
        assert (await live.receive_json(timeout=10))["type"] == "agent_conversation.updated"
    query = "limit=20&offset=0&sortBy=lastAccessedAt&sortOrder=desc"
    page = (await program.get(f"{base}/list?{query}")).body
    assert page["conversations"][0]["conversationId"] == talk
    assert page["pagination"] == {"total": 3, "limit": 20, "offset": 0, "hasMore": False}
    assert (await program.get(f"{base}/{talk}")).body["messages"][0]["content"] == "Hello?"


async def test_web_client_shows_tasks_files_and_queues(program: Caller, service: Service) -> None:
    """Its board, one task, the trees of a repository and of the working directory, and the queues' counts."""
    base = "/conversations/api"
    filed = await program.post(f"{base}/tasks", {"prompt": "paint the fence"})
    number = filed.body["id"] if "id" in filed.body else filed.body["task"]["id"]
    board = (await program.get(f"{base}/tasks")).body
    listed = board if isinstance(board, list) else board["tasks"]
    assert [(one["id"], one["prompt"], one["status_label"]) for one in listed] == [
        (number, "paint the fence", "ready")
    ]
    task = (await program.get(f"{base}/tasks/{number}")).body
    assert {"id", "prompt", "status", "status_label", "createdat", "updatedat", "order", "uuid"} <= set(task)
    assert (await program.get(f"{base}/tasks/999999")).status == 404

    repositories = service.settings.repositories_path
    assert repositories is not None
    (repositories / "shop" / "plan.md").write_text("# Plan\n", encoding="utf-8")
    tree = (await program.get("/repositories/api/shop/files")).body
    assert [(one["name"], one["type"]) for one in tree] == [("plan.md", "file")]
    shelf = (await program.get(f"{base}/working-directory/files")).body
    assert ("shop", "directory") in {(one["name"], one["type"]) for one in shelf}

    queues = (await program.get("/queues")).body["queues"]
    assert all({"name", "waiting", "active", "completed", "failed", "delayed"} <= set(one) for one in queues)
