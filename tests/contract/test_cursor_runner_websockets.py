"""The older runner's WebSockets: the same messages, and besides them the logs of runs, live and resumable."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runner_callers import SECRET, Caller, calling, runner_service
from wireroom.api import websockets
from wireroom.app import live_sockets
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

Json = dict[str, Any]
notes = pytest.mark.parametrize("path", websockets.CONVERSATIONS)
agents = pytest.mark.parametrize("path", websockets.AGENT_CONVERSATIONS)
every_path = pytest.mark.parametrize("path", [*websockets.CONVERSATIONS, *websockets.AGENT_CONVERSATIONS])
PROOF = {"X-Webhook-Secret": SECRET}


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


class Subscriber:
    """Keeps what comes."""

    def __init__(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = opened
        self.heard: list[Json] = []

    async def next(self, kind: str, fits: Callable[[Json], bool] = lambda _: True) -> Json:
        """Return the next message of this type that fits; what comes before it is kept, too."""
        async with asyncio.timeout(10):
            while True:
                message: Json = await self.socket.receive_json()
                self.heard.append(message)
                if message["type"] == kind and fits(message):
                    return message

    def lines(self) -> list[tuple[str, int]]:
        """Return the run and number of every line of a log that came."""
        return [(one["runId"], one["seq"]) for one in self.heard if one["type"].startswith("run.")]


@asynccontextmanager
async def subscribed(service: Service, path: str, query: str) -> AsyncIterator[Subscriber]:
    """Open a WebSocket with the secret."""
    async with (
        aiohttp.ClientSession(service.address, headers=PROOF) as session,
        session.ws_connect(f"{path}?{query}") as opened,
    ):
        yield Subscriber(opened)


async def refused(service: Service, target: str, headers: dict[str, str]) -> int:
    """Return the status with which a WebSocket is not opened."""
    async with aiohttp.ClientSession(service.address, headers=headers) as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(target)
    return refusal.value.status


def ended(message: Json) -> bool:
    """Tell whether it says that a run has ended."""
    return message["state"] not in {"queued", "running"}


@notes
async def test_subscriber_gets_a_snapshot_and_what_is_added(
    service: Service, program: Caller, path: str
) -> None:
    """The whole conversation at once, and again with each message."""
    await program.post("/cursor/execute", {"prompt": "say one", "conversationId": "c"})
    async with subscribed(service, path, "conversationId=c") as subscriber:
        snapshot = await subscriber.next("conversation.snapshot")
        assert snapshot["conversationId"] == snapshot["conversation"]["conversationId"] == "c"
        assert [one["content"] for one in snapshot["conversation"]["messages"]] == ["say one", "one"]
        await program.post("/cursor/execute", {"prompt": "say two", "conversationId": "c"})
        updated = await subscriber.next(
            "conversation.updated", lambda one: one["conversation"]["messageCount"] == 4
        )
    assert updated["reason"] == "message_added"
    assert [one["content"] for one in updated["conversation"]["messages"]][2:] == ["say two", "two"]


@notes
async def test_subscriber_follows_a_run(
    service: Service, program: Caller, agent: ScriptedAgent, path: str
) -> None:
    """Its states and its output come while it works, before its answer is a message."""
    async with subscribed(service, path, "id=c") as subscriber:
        wanted = {"prompt": f"say now; {agent.gate('go')}; exit 3", "conversationId": "c", "id": "r"}
        run_id = (await program.post("/cursor/execute/async", wanted)).body["runId"]
        queued = await subscriber.next("run.state")
        assert (queued["state"], queued["seq"], queued["requestId"]) == ("queued", 0, "r")
        running = await subscriber.next("run.state")
        assert (running["state"], running["runId"]) == ("running", run_id)
        said = await subscriber.next("run.event", lambda one: one["kind"] == "text")
        assert (said["payload"], said["runId"]) == ({"text": "now"}, run_id)
        agent.open_gate("go")
        failed = await subscriber.next("run.state", ended)
    assert failed["state"] == "failed"
    assert failed["reason"]


async def test_subscriber_that_comes_back_misses_nothing(
    service: Service, program: Caller, agent: ScriptedAgent
) -> None:
    """From the cursor of any line on, the rest of the log follows, each line once."""
    say = "; ".join(f"say {number}" for number in range(20))
    wanted = {"prompt": f"say 0; {agent.gate('go')}; {say}", "conversationId": "c"}
    run_id = (await program.post("/cursor/execute/async", wanted)).body["runId"]
    async with subscribed(service, "/api/ws", "id=c") as before:
        text = await before.next("run.event")
    agent.open_gate("go")
    await program.run_in_state(run_id, "succeeded")
    async with subscribed(service, "/api/ws", f"id=c&after={text['cursor']}") as after:
        await after.next("run.state", ended)
    seqs = [seq for _, seq in before.lines() + after.lines()]
    total = (await program.get(f"/api/runs/{run_id}")).body["event_count"]
    assert seqs == list(range(total + 1))


async def test_subscriber_of_an_ended_run_is_not_told_its_log_again(
    service: Service, program: Caller
) -> None:
    """A fresh subscriber has the messages; only what is open or new is followed."""
    await program.post("/cursor/execute", {"prompt": "say one", "conversationId": "c"})
    async with subscribed(service, "/api/ws", "id=c") as subscriber:
        await subscriber.next("conversation.snapshot")
        await program.post("/cursor/execute", {"prompt": "say two", "conversationId": "c", "id": "two"})
        await subscriber.next("run.state", ended)
    assert len({run_id for run_id, _ in subscriber.lines()}) == 1


async def test_two_subscribers_and_two_conversations(service: Service, program: Caller) -> None:
    """Everybody hears of their own conversation and of no other."""
    async with (
        subscribed(service, "/api/ws", "id=a") as one,
        subscribed(service, "/conversations/api/ws", "id=a") as other,
        subscribed(service, "/api/ws", "id=b") as third,
    ):
        await program.post("/cursor/execute", {"prompt": "say a", "conversationId": "a"})
        await program.post("/cursor/execute", {"prompt": "say b", "conversationId": "b"})
        for subscriber in (one, other, third):
            await subscriber.next("run.state", ended)
    assert one.lines() == other.lines()
    assert not set(one.lines()) & set(third.lines())


@notes
async def test_conversation_that_begins_later_is_told_of(
    service: Service, program: Caller, path: str
) -> None:
    """To subscribe creates nothing; who waits for a conversation hears of its beginning."""
    async with subscribed(service, path, "id=later") as subscriber:
        error = await subscriber.next("error")
        assert error == {"type": "error", "error": "Conversation not found", "conversationId": "later"}
        assert (await program.get("/api/later")).status == 404
        await program.post("/cursor/execute", {"prompt": "say x", "conversationId": "later"})
        created = await subscriber.next("conversation.created")
    assert created["conversation"]["conversationId"] == "later"


@agents
async def test_subscriber_of_an_agent_conversation(service: Service, program: Caller, path: str) -> None:
    """Snapshot, then an update with each message."""
    made = (await program.post("/api/agent/new", {})).body["conversationId"]
    async with subscribed(service, path, f"conversationId={made}") as subscriber:
        snapshot = await subscriber.next("agent_conversation.snapshot")
        assert snapshot["conversation"]["messages"] == []
        await program.post(f"/api/agent/{made}/message", {"role": "user", "content": "Hi"})
        updated = await subscriber.next("agent_conversation.updated")
    assert (updated["reason"], updated["conversationId"]) == ("message_added", made)
    assert [one["content"] for one in updated["conversation"]["messages"]] == ["Hi"]


@agents
async def test_unknown_agent_conversation_is_an_error_message(service: Service, path: str) -> None:
    """The contract's error, on an open connection."""
    async with subscribed(service, path, "id=nobody") as subscriber:
        error = await subscriber.next("error")
    assert error["error"] == "Agent conversation not found"


@every_path
async def test_subscription_without_an_id_is_refused(service: Service, path: str) -> None:
    """400 before anything is opened."""
    for query in ("", "?conversationId=", f"?id={'x' * 201}"):
        assert await refused(service, path + query, PROOF) == 400


async def test_cursor_that_was_made_up_is_refused(service: Service) -> None:
    """400, as for the page's stream."""
    assert await refused(service, "/api/ws?id=c&after=made-up", PROOF) == 400


async def test_other_paths_are_not_opened(service: Service) -> None:
    """404, with and without the secret."""
    for path in ("/api/tasks/ws", "/ws", "/api/ws/more"):
        assert await refused(service, f"{path}?id=c", PROOF) == 404
        assert await refused(service, f"{path}?id=c", {}) == 404


@every_path
async def test_stranger_is_not_let_in(service: Service, path: str) -> None:
    """401 without the secret, with a wrong one, and with one in the query."""
    for headers in ({}, {"X-Webhook-Secret": "wrong"}):
        assert await refused(service, f"{path}?id=c", headers) == 401
    assert await refused(service, f"{path}?id=c&secret={SECRET}", {}) == 401


@every_path
async def test_page_is_let_in_from_its_own_origin_only(service: Service, path: str) -> None:
    """A page session counts with our own Origin, under a name of ours."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(service.address, cookie_jar=jar) as session:
        async with session.get(await service.login_link()) as response:
            assert response.status == 200
        async with session.ws_connect(f"{path}?id=c", headers={"Origin": service.address}) as opened:
            assert (await opened.receive_json())["type"] == "error"
        for headers, status in (
            ({"Origin": "https://evil.example"}, 401),
            ({"Origin": "null"}, 401),
            ({"Origin": "http://evil.example", "Host": "evil.example"}, 403),
        ):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(f"{path}?id=c", headers=headers)
            assert refusal.value.status == status


async def test_subscriptions_are_bounded(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be open is a 503; who leaves makes room."""
    monkeypatch.setattr(websockets, "MOST_SUBSCRIBERS", 2)
    async with subscribed(service, "/api/ws", "id=a"):
        async with subscribed(service, "/api/ws", "id=b"):
            assert await refused(service, "/api/ws?id=c", PROOF) == 503

        async def has_room() -> bool:
            async with aiohttp.ClientSession(service.address, headers=PROOF) as session:
                try:
                    async with session.ws_connect("/api/ws?id=c"):
                        return True
                except aiohttp.WSServerHandshakeError:
                    return False

        await eventually(has_room, "there is room again")


async def test_subscriber_is_told_that_the_service_stops(service: Service) -> None:
    """The close code 1012 tells it to come back."""
    async with subscribed(service, "/api/ws", "id=a") as subscriber:
        await subscriber.next("error")
        service.services.feed.close()
        message = await subscriber.socket.receive(timeout=10)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_subscriber_that_talks_is_not_listened_to(service: Service, program: Caller) -> None:
    """Short words are passed over; a long one ends the connection, and nothing else."""
    async with subscribed(service, "/api/ws", "id=a") as subscriber:
        await subscriber.next("error")
        for _ in range(20):
            await subscriber.socket.send_str("hello")
        await program.post("/cursor/execute", {"prompt": "say x", "conversationId": "a"})
        await subscriber.next("conversation.created")
        await subscriber.socket.send_str("x" * 100_000)

        async def is_over() -> bool:
            message = await subscriber.socket.receive(timeout=10)
            return message.type in {
                aiohttp.WSMsgType.CLOSE,
                aiohttp.WSMsgType.CLOSED,
                aiohttp.WSMsgType.ERROR,
            }

        await eventually(is_over, "the connection is closed")
    assert (await program.get("/health/queue")).status == 200


async def test_slow_subscriber_is_let_go(
    service: Service, program: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who takes nothing costs one message, and after a while nothing; others hear everything meanwhile."""
    monkeypatch.setattr(websockets, "SEND_SECONDS", 0.3)
    monkeypatch.setattr(live_sockets, "LINGER_SECONDS", 0.3)
    said = {"prompt": f"say {'x' * 400_000}", "conversationId": "c"}
    async with stuck_subscriber(service, "c") as stuck, subscribed(service, "/api/ws", "id=c") as quick:
        for _ in range(40):
            await program.post("/cursor/execute", said)
            await quick.next("run.state", ended)
            if served() == 1:
                break
        await eventually(lambda: served() == 1, "only the other one is served", timeout_seconds=20)
        left = 0
        with suppress(ConnectionResetError):
            while piece := await asyncio.get_running_loop().sock_recv(stuck, 1 << 20):
                left += len(piece)
    assert left < 40 * 400_000


def served() -> int:
    """Return how many subscribers are served."""
    return sum(task.get_name() == "websocket news" for task in asyncio.all_tasks())


@asynccontextmanager
async def stuck_subscriber(service: Service, conversation: str) -> AsyncIterator[socket.socket]:
    """Open a WebSocket and read nothing from it."""
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, ("127.0.0.1", int(service.address.rsplit(":", 1)[1])))
        opening = (
            f"GET /api/ws?id={conversation} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"X-Webhook-Secret: {SECRET}\r\n\r\n"
        )
        await loop.sock_sendall(raw, opening.encode())
        assert b" 101 " in await loop.sock_recv(raw, 64)
        yield raw
