"""Conversations and agent conversations as the older web client knows them, on every path they have."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner_callers import Caller, calling, runner_service
from wireroom.app.service import Service
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

NOTES = ["/api", "/conversations/api"]
AGENTS = ["/api/agent", "/agent-conversations/api"]
notes = pytest.mark.parametrize("base", NOTES)
agents = pytest.mark.parametrize("base", AGENTS)
NOT_KEPT = {
    "Cache-Control": "no-store, no-cache, must-revalidate, proxy-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
}
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


@pytest.fixture
async def service(database_path: Path, agent: ScriptedAgent) -> AsyncIterator[Service]:
    """Run a service."""
    async with runner_service(database_path.parent, agent) as running:
        yield running


@pytest.fixture
async def program(service: Service) -> AsyncIterator[Caller]:
    """Lend a program that sends the secret."""
    async with calling(service) as caller:
        yield caller


async def begun(program: Caller, base: str) -> str:
    """Begin a conversation and return its id."""
    answer = await program.post(f"{base}/new", {})
    assert answer.status == 200
    return str(answer.body["conversationId"])


@notes
async def test_new_conversation_is_the_queues_current_one(program: Caller, base: str) -> None:
    """The contract's body; the default queue of these routes is `api`."""
    answer = await program.post(f"{base}/new", {})
    assert NOT_KEPT.items() <= answer.headers.items()
    conversation_id = answer.body["conversationId"]
    assert answer.body == {
        "success": True,
        "conversationId": conversation_id,
        "message": "New conversation created",
        "queueType": "api",
    }
    run = (await program.post("/cursor/execute", {"prompt": "say x", "queueType": "api"})).body
    assert run["conversationId"] == conversation_id


@notes
async def test_conversation_is_shown_with_its_messages(program: Caller, base: str) -> None:
    """Who said what and when, oldest first."""
    run = (await program.post("/cursor/execute", {"prompt": "say hello", "conversationId": "mine"})).body
    answer = await program.get(f"{base}/mine")
    assert answer.status == 200
    assert NOT_KEPT.items() <= answer.headers.items()
    said = [(one["role"], one["content"], one["runId"]) for one in answer.body["messages"]]
    assert said == [("user", "say hello", run["runId"]), ("assistant", "hello", run["runId"])]
    stamps = [one["timestamp"] for one in answer.body["messages"]]
    stamps += [answer.body["createdAt"], answer.body["lastAccessedAt"]]
    assert all(STAMP.fullmatch(stamp) for stamp in stamps)
    assert answer.body["messageCount"] == 2


@notes
async def test_long_conversation_is_shown_in_pages(program: Caller, base: str) -> None:
    """The newest messages come first; what is before them is counted and can be had."""
    for number in range(3):
        await program.post("/cursor/execute", {"prompt": f"say {number}", "conversationId": "long"})
    newest = (await program.get(f"{base}/long?limit=2")).body
    assert [one["content"] for one in newest["messages"]] == ["say 2", "2"]
    assert newest["earlierMessages"] == 4
    earlier = (await program.get(f"{base}/long?limit=2&before=5")).body
    assert [one["content"] for one in earlier["messages"]] == ["say 1", "1"]


@notes
async def test_reading_changes_nothing(program: Caller, base: str) -> None:
    """An unknown id is a 404 and creates nothing; a known one does not become its queue's current one."""
    answer = await program.get(f"{base}/nobody")
    assert (answer.status, answer.body) == (404, {"success": False, "error": "Conversation not found"})
    assert (await program.get(f"{base}/nobody")).status == 404
    old = (await program.post("/cursor/execute", {"prompt": "say 1"})).body["conversationId"]
    new = (await program.post("/cursor/conversation/new")).body["conversationId"]
    before = (await program.get(f"{base}/{old}")).body
    assert (await program.get(f"{base}/{old}")).body == before
    run = (await program.post("/cursor/execute", {"prompt": "say 2"})).body
    assert run["conversationId"] == new


@notes
async def test_list_is_an_array_of_summaries(program: Caller, base: str) -> None:
    """Every channel's conversations, the most recently used first, messages counted and not sent."""
    first, second = await begun(program, base), await begun(program, base)
    await program.post(f"{base}/{first}/message", {"message": "say x", "id": "m"})
    await program.run_in_state("m", "succeeded")
    answer = await program.get(f"{base}/list")
    assert (answer.status, answer.headers["X-Total-Count"]) == (200, "2")
    assert NOT_KEPT.items() <= answer.headers.items()
    assert [one["conversationId"] for one in answer.body] == [first, second]
    assert [(one["messages"], one["messageCount"]) for one in answer.body] == [([], 2), ([], 0)]
    assert STAMP.fullmatch(answer.body[0]["createdAt"])
    assert (await program.get("/api/chat")).status == 200


@notes
async def test_list_is_paged_and_filtered(program: Caller, base: str) -> None:
    """`limit`, `offset`, `sortOrder` and `queueType`; what cannot be meant is refused."""
    made = [await begun(program, base) for _ in range(3)]
    await program.post("/cursor/conversation/new", {"queueType": "telegram"})
    query = "queueType=api&sortOrder=asc&limit=2&offset=1"
    answer = await program.get(f"{base}/list?{query}")
    assert [one["conversationId"] for one in answer.body] == made[1:]
    assert answer.headers["X-Total-Count"] == "3"
    for wrong in ("limit=0", "limit=x", "offset=-1", "sortOrder=up"):
        assert (await program.get(f"{base}/list?{wrong}")).status == 422


@notes
async def test_message_becomes_a_run_of_the_conversation(
    program: Caller, agent: ScriptedAgent, base: str
) -> None:
    """Accepted at once; the question is seen while it waits, the answer when it is there."""
    conversation = await begun(program, base)
    gate = agent.gate("go")
    first = await program.post(f"{base}/{conversation}/message", {"message": gate})
    second = await program.post(f"{base}/{conversation}/message", {"message": "say two"})
    assert first.status == second.status == 200
    assert NOT_KEPT.items() <= first.headers.items()
    assert re.fullmatch(r"ui-\d{13}-[0-9a-z]{9}", first.body["requestId"])
    assert first.body["conversationId"] == conversation
    assert first.body["message"] == "Message accepted, processing asynchronously"
    await program.run_in_state(first.body["runId"], "running")
    waiting = (await program.get(f"{base}/{conversation}")).body["messages"]
    assert [(one["content"], one.get("pending")) for one in waiting] == [(gate, None), ("say two", True)]
    agent.open_gate("go")
    await program.run_in_state(second.body["runId"], "succeeded")
    done = (await program.get(f"{base}/{conversation}")).body["messages"]
    assert [one["content"] for one in done][-2:] == ["say two", "two"]


@notes
async def test_failed_message_is_told_in_the_conversation(program: Caller, base: str) -> None:
    """The person who asked reads that it failed, and how; the older runner only logged it."""
    conversation = await begun(program, base)
    answer = await program.post(f"{base}/{conversation}/message", {"message": "say half; exit 3"})
    await program.run_in_state(answer.body["runId"], "failed")
    last = (await program.get(f"{base}/{conversation}")).body["messages"][-1]
    assert last["role"] == "assistant"
    assert "exit code 3" in last["content"]
    assert "half" in last["content"]


@notes
async def test_message_is_refused_with_the_contracts_words(program: Caller, base: str) -> None:
    """Empty or no text: 400; an unknown conversation or repository: 404; nothing is stored."""
    conversation = await begun(program, base)
    for body in (None, {}, {"message": ""}, {"message": "  "}, {"message": 5}):
        answer = await program.post(f"{base}/{conversation}/message", body)
        assert answer.status == 400
        assert answer.body["error"] == "Message is required and must be a non-empty string"
    answer = await program.post(f"{base}/nobody/message", {"message": "say x"})
    assert (answer.status, answer.body["error"]) == (404, "Conversation not found")
    body = {"message": "say x", "repository": "nowhere"}
    answer = await program.post(f"{base}/{conversation}/message", body)
    assert answer.status == 404
    assert answer.body["error"].startswith("Repository not found locally: nowhere.")
    assert (await program.get("/api/runs")).body["runs"] == []


@notes
@pytest.mark.parametrize("name", ["tasks", "agent", "working-directory", "runs", "chat"])
async def test_name_of_another_part_is_no_conversation(program: Caller, base: str, name: str) -> None:
    """The catch-all leaves those names to others."""
    if name == "tasks" or (base == "/api" and name in {"runs", "chat"}):
        assert (await program.get(f"{base}/{name}")).status == 200
        return
    answer = await program.get(f"{base}/{name}")
    assert (answer.status, answer.body["error"]) == (404, "Route not found")
    assert (await program.post(f"{base}/{name}/message", {"message": "x"})).status == 404


@agents
async def test_agent_conversation_is_kept(program: Caller, base: str) -> None:
    """What was given comes back, tools' fields included; nothing is run."""
    made = await program.post(f"{base}/new", {"agentId": "voice", "metadata": {"repository": "shop"}})
    assert made.status == 200
    assert NOT_KEPT.items() <= made.headers.items()
    conversation = made.body["conversationId"]
    assert re.fullmatch(r"agent-\d{13}-[0-9a-z]{9}", conversation)
    assert made.body == {
        "success": True,
        "conversationId": conversation,
        "message": "New agent conversation created",
    }
    spoken = {"role": "user", "content": "Hi", "source": "voice"}
    tool = {"role": "tool", "content": "ran", "messageId": "m9", "toolName": "ls", "toolArgs": {"a": [1]}}
    for message in (spoken, tool):
        stored = await program.post(f"{base}/{conversation}/message", message)
        assert stored.body == {
            "success": True,
            "conversationId": conversation,
            "message": "Message added to conversation",
        }
    shown = (await program.get(f"{base}/{conversation}")).body
    assert shown["title"] == f"Agent Conversation {conversation[:8]}"
    assert (shown["agentId"], shown["metadata"]) == ("voice", {"repository": "shop"})
    assert (shown["status"], shown["messageCount"]) == ("active", 2)
    assert spoken.items() <= shown["messages"][0].items()
    assert shown["messages"][0]["messageId"]
    assert tool.items() <= shown["messages"][1].items()
    assert shown["messages"][1]["source"] == "text"
    assert (await program.get(f"{base}/{conversation}")).body == shown
    assert (await program.get("/api/runs")).body["runs"] == []


@agents
async def test_agent_conversation_is_refused_with_the_contracts_words(program: Caller, base: str) -> None:
    """A message needs role and content; an unknown conversation is a 404, for messages as well."""
    conversation = await begun(program, base)
    for body in (None, {"role": "user"}, {"content": "x"}, {"role": "", "content": "x"}):
        answer = await program.post(f"{base}/{conversation}/message", body)
        assert (answer.status, answer.body["error"]) == (400, "Missing required fields: role, content")
    for wrong in ({"role": 5, "content": "x"}, {"role": "user", "content": ["x"]}):
        assert (await program.post(f"{base}/{conversation}/message", wrong)).status == 400
    unknown = {"success": False, "error": "Agent conversation not found"}
    answer = await program.post(f"{base}/nobody/message", {"role": "user", "content": "x"})
    assert (answer.status, answer.body) == (404, unknown)
    answer = await program.get(f"{base}/nobody")
    assert (answer.status, answer.body) == (404, unknown)


@agents
async def test_agent_conversations_are_listed_in_pages(program: Caller, base: str) -> None:
    """As the web client asks: any order, with an honest `hasMore`."""
    made = [await begun(program, base) for _ in range(3)]
    message = {"role": "user", "content": "x"}
    for conversation, count in zip(made, (1, 3, 0), strict=True):
        for _ in range(count):
            await program.post(f"{base}/{conversation}/message", message)
    by_count = (await program.get(f"{base}/list?sortBy=messageCount&sortOrder=desc&limit=2&offset=0")).body
    assert [one["conversationId"] for one in by_count["conversations"]] == [made[1], made[0]]
    assert [one["messageCount"] for one in by_count["conversations"]] == [3, 1]
    assert by_count["pagination"] == {"total": 3, "limit": 2, "offset": 0, "hasMore": True}
    rest = (await program.get(f"{base}/list?sortBy=messageCount&limit=2&offset=2")).body
    assert [one["conversationId"] for one in rest["conversations"]] == [made[2]]
    assert rest["pagination"]["hasMore"] is False
    oldest = (await program.get(f"{base}/list?sortBy=createdAt&sortOrder=asc")).body
    assert sorted(one["createdAt"] for one in oldest["conversations"]) == [
        one["createdAt"] for one in oldest["conversations"]
    ]
    used = (await program.get(f"{base}/list")).body["conversations"]
    assert [one["lastAccessedAt"] for one in used] == sorted(
        (one["lastAccessedAt"] for one in used), reverse=True
    )


@agents
@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", "limit must be a positive integer"),
        ("limit=x", "limit must be a positive integer"),
        ("offset=-1", "offset must be a non-negative integer"),
        ("sortBy=title", "sortBy must be one of: createdAt, lastAccessedAt, messageCount"),
        ("sortOrder=up", "sortOrder must be one of: asc, desc"),
    ],
)
async def test_list_of_agent_conversations_refuses(
    program: Caller, base: str, query: str, error: str
) -> None:
    """400 in the contract's words."""
    answer = await program.get(f"{base}/list?{query}")
    assert (answer.status, answer.body) == (400, {"success": False, "error": error})


async def test_messages_that_meet_are_all_kept(program: Caller) -> None:
    """Twenty writers at once lose nothing; the older runner rewrote the whole conversation each time."""
    conversation = await begun(program, "/api/agent")
    path = f"/api/agent/{conversation}/message"
    await asyncio.gather(
        *(program.post(path, {"role": "user", "content": f"{number}"}) for number in range(20))
    )
    shown = (await program.get(f"/api/agent/{conversation}")).body
    assert sorted(int(one["content"]) for one in shown["messages"]) == list(range(20))


EVERY = [
    *((method, f"{base}{path}") for base in NOTES for method, path in (("GET", "/list"), ("POST", "/new"))),
    *(
        (method, f"{base}{path}")
        for base in NOTES
        for method, path in (("GET", "/x"), ("POST", "/x/message"))
    ),
    *((method, f"{base}{path}") for base in AGENTS for method, path in (("GET", "/list"), ("POST", "/new"))),
    *(
        (method, f"{base}{path}")
        for base in AGENTS
        for method, path in (("GET", "/x"), ("POST", "/x/message"))
    ),
    ("POST", "/cursor/conversation/new"),
]


async def test_no_route_is_open(service: Service) -> None:
    """Without the secret every route is a 401, whatever it is given; the older runner had none closed."""
    async with calling(service, secret=None) as stranger:
        for method, path in EVERY:
            answer = await stranger.call(method, path, {} if method == "POST" else None)
            assert (answer.status, answer.body["success"]) == (401, False), path
        assert (await stranger.get("/api/list?secret=secret-of-the-test")).status == 401
