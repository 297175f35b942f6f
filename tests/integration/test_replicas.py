"""One installation in several processes that share PostgreSQL alone: any of them serves, one leads."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, text
from structlog.testing import capture_logs

from replicas import Machine, program_of
from stream_listener import Listener
from wireroom.agents.admission import TIME_QUEUE
from wireroom.api import websockets
from wireroom.app.roles import Role
from wireroom.clock import SystemClock, to_ms
from wireroom.store import job_rows_postgres as rows
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]

STOP_SECONDS = 1.0
NEWS_SECONDS = 1.0
MOST_STOPS = 3
UNHURRIED = {"chat_messages_per_second": 1000.0, "messages_per_second": 10_000}
Json = dict[str, Any]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend an empty installation's database."""
    with postgres.database() as url:
        yield url


@pytest.fixture
def machine(tmp_path: Path, url: str) -> Machine:
    """Return where replicas without a bot run."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return Machine(tmp_path, url, ScriptedAgent(folder), {})


class Subscriber:
    """Keeps what a WebSocket brings, over several connections to whichever replica."""

    def __init__(self, conversation: str) -> None:
        self._conversation = conversation
        self.heard: list[Json] = []

    @asynccontextmanager
    async def listening(self, program: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Listen from the last cursor on, beside the body."""
        cursors = [message["cursor"] for message in self.heard if "cursor" in message]
        query = {"conversationId": self._conversation, **({"after": cursors[-1]} if cursors else {})}
        async with program.ws_connect(websockets.CONVERSATIONS[0], params=query) as opened:
            task = asyncio.create_task(self._listen(opened))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, opened: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            self.heard.append(await opened.receive_json())

    def lines(self) -> list[Json]:
        """Return the numbered lines of logs that came."""
        return [message for message in self.heard if message.get("seq")]


@asynccontextmanager
async def following(listener: Listener) -> AsyncIterator[None]:
    """Follow a stream beside the body."""
    task = asyncio.create_task(listener.listen())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def asked(program: aiohttp.ClientSession, prompt: str) -> Json:
    """Have a prompt run; return the run's and the conversation's ids."""
    body = {"id": f"request-{time.monotonic_ns()}", "prompt": prompt}
    async with program.post("/cursor/execute/async", json=body) as response:
        assert response.status < 300, await response.text()
    found: Json = {}

    async def there() -> bool:
        async with program.get("/api/runs", params={"per_page": 100}) as response:
            found.update({run["request_id"]: run for run in (await response.json())["runs"]})
        return body["id"] in found

    await eventually(there, "the run is listed")
    return dict(found[body["id"]])


async def state_of(program: aiohttp.ClientSession, run_id: str) -> str:
    """Return the run's state."""
    async with program.get(f"/api/runs/{run_id}") as response:
        return str((await response.json())["state"])


async def test_log_is_followed_from_any_web_and_resumed_on_another(machine: Machine) -> None:
    """An agent works at a worker; streams and sockets of one web go on at another, with each line once."""
    agent = machine.agent
    async with (
        machine.running(Role.WORKER, "worker"),
        machine.all_running(Role.WEB, 2) as (left, right),
        program_of(left) as at_left,
        program_of(right) as at_right,
    ):
        run = await asked(
            at_left, f"say one; {agent.gate('first')}; say two; {agent.gate('second')}; say three"
        )
        stream = f"/api/runs/{run['id']}/stream"
        listener, subscriber = Listener(at_left, stream), Subscriber(run["conversation_id"])
        async with following(listener), subscriber.listening(at_left):
            await eventually(lambda: "one" in str(listener.heard), "the stream of one web is live")
            await eventually(lambda: "one" in str(subscriber.heard), "so is its socket")
        resumed = Listener(at_right, stream)
        resumed.last_id = listener.last_id
        agent.open_gate("first")
        async with following(resumed), subscriber.listening(at_right):
            await eventually(lambda: "two" in str(resumed.heard), "the other web goes on")
            await eventually(lambda: "two" in str(subscriber.heard), "so does its socket")
        agent.open_gate("second")
        last = Listener(at_left, stream)
        last.last_id = resumed.last_id
        async with subscriber.listening(at_left):
            assert await last.listen() == 200
            async with at_right.get(f"/api/runs/{run['id']}/events?limit=1000") as response:
                log = (await response.json())["events"]
            await eventually(lambda: len(subscriber.lines()) >= len(log), "the socket has everything")

    assert [*listener.heard, *resumed.heard, *last.heard] == log
    assert [line["seq"] for line in subscriber.lines()] == [line["seq"] for line in log]


async def test_news_of_one_process_wake_readers_in_another(machine: Machine) -> None:
    """Who waits at a worker for a person's answer, or a callback, is woken by the web that took it."""
    async with machine.running(Role.WORKER, "worker") as worker, machine.running(Role.WEB, "web") as web:
        tell, feed = web.services.feed.publish, worker.services.feed
        with feed.listen("probe") as begun, feed.listen("permission:1") as news:

            def hears() -> bool:
                tell("probe")
                return begun.is_set()

            await eventually(hears, "the worker listens")
            news.clear()
            tell("permission:1")
            async with asyncio.timeout(NEWS_SECONDS):
                await news.wait()


async def test_stop_through_a_web_ends_the_agent_of_a_worker(machine: Machine) -> None:
    """A stop that is said to one process takes effect in another in less than a second."""
    async with (
        machine.all_running(Role.WORKER, 2),
        machine.running(Role.WEB, "web") as web,
        program_of(web) as program,
    ):
        # A machine that is busy with other tests may be late once.
        seconds = [await _stopped_after(machine, program, number) for number in range(1, MOST_STOPS + 1)]
    assert min(seconds) < STOP_SECONDS, seconds


async def _stopped_after(machine: Machine, program: aiohttp.ClientSession, number: int) -> float:
    """Have an agent begin to hang, stop it, and return the seconds until its run was cancelled."""
    run = await asked(program, "say begun; hang")
    await eventually(lambda: machine.agent.ledger.starts().total() == number, "the agent works")
    since = time.monotonic()
    async with program.post(f"/api/runs/{run['id']}/cancel") as response:
        assert response.status == 202

    async def is_over() -> bool:
        return await state_of(program, run["id"]) == "cancelled"

    await eventually(is_over, "the run is cancelled")
    return time.monotonic() - since


async def test_web_works_no_jobs(machine: Machine) -> None:
    """A web takes a request and leaves it to the workers; once there is one, it is answered."""
    async with machine.running(Role.WEB, "web") as web, program_of(web) as program:
        run = await asked(program, "say done")
        async with program.get("/ready") as response:
            assert (response.status, "worker" in (await response.json())["checks"]) == (200, False)
        assert await state_of(program, run["id"]) == "queued"
        async with machine.running(Role.WORKER, "worker") as worker, program_of(worker) as probe:

            async def is_done() -> bool:
                return await state_of(program, run["id"]) == "succeeded"

            await eventually(is_done, "a worker has done it")
            async with probe.get("/ready") as ready, probe.get("/metrics") as metrics, probe.get("/") as page:
                assert (ready.status, metrics.status, page.status) == (200, 200, 404)
    assert machine.agent.ledger.starts().total() == 1


async def test_schedule_fires_once_a_time_with_three_workers(machine: Machine) -> None:
    """Every time of every agent is one call, whichever worker decides on it."""
    slot = SystemClock().now().replace(second=0, microsecond=0)
    async with (
        machine.all_running(Role.WORKER, 3) as (first, *_),
        machine.running(Role.WEB, "web") as web,
        program_of(web) as program,
    ):
        for number in range(4):
            body = {"name": f"agent-{number}", "prompt": f"say {number}", "schedule": f"{slot:%M} * * * *"}
            async with program.post("/agents", json=body) as response:
                assert response.status < 300, await response.text()
        await first.services.db.write(lambda conn: _come_due(conn, slot))

        await eventually(lambda: machine.agent.ledger.ends().total() >= 4, "each agent was called", 60)
        calls = await first.services.db.read(_calls)
    assert calls == Counter(f"agent-{number}" for number in range(4))
    assert machine.agent.ledger.starts() == Counter(f"say {number}" for number in range(4))


def _come_due(conn: Connection, slot: datetime) -> None:
    """Have this be the next time of each agent, and its job due."""
    conn.execute(text("UPDATE agents SET next_at = :slot"), {"slot": to_ms(slot)})
    conn.execute(text("UPDATE procrastinate_jobs SET scheduled_at = now() WHERE args->>'kind' = 'agent-due'"))
    conn.execute(rows.NOTIFY, {"queue": TIME_QUEUE, "id": 0})


def _calls(conn: Connection) -> Counter[str]:
    query = "SELECT a.name FROM agent_calls AS c JOIN agents AS a ON a.id = c.agent_id"
    return Counter(conn.scalars(text(query)))


async def test_three_workers_poll_as_one(tmp_path: Path, url: str) -> None:
    """Nobody is refused for another's polling, also while the leader ends; each message is handled once."""
    folder = tmp_path / "agent"
    folder.mkdir()
    async with BotAPIServer() as telegram, AsyncExitStack() as others:
        logged = others.enter_context(capture_logs())
        bot = {"bot_token": telegram.token, "telegram_api_url": telegram.url, "allowed_users": (7,)}
        machine = Machine(tmp_path, url, ScriptedAgent(folder), {**bot, **UNHURRIED})
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        async with machine.running(Role.WORKER, "first"):
            await eventually(lambda: telegram.calls_of("getUpdates"), "the first polls")
            for name in ("second", "third"):
                await others.enter_async_context(machine.running(Role.WORKER, name))
            await _answered(telegram, ada, range(5))
        await _answered(telegram, ada, range(5, 10))
    assert [entry for entry in logged if entry["event"] == "polling_failed"] == []
    assert machine.agent.ledger.starts() == Counter(f"say token-{number}" for number in range(10))


async def _answered(telegram: BotAPIServer, chat: Chat, numbers: range) -> None:
    """Ask so many questions, and wait until each has its answer."""
    questions = {
        number: telegram.message_id_of(await telegram.user_says(chat, f"say token-{number}"))
        for number in numbers
    }

    def is_answered(number: int) -> bool:
        return f"token-{number}" in str(telegram.answers_to(questions[number], chat))

    await eventually(lambda: all(map(is_answered, numbers)), "every question is answered", 60)
