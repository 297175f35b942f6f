"""What coding agents and callback receivers do wrong, through the HTTP surface of a whole service."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from installation import installed
from pydantic import SecretStr
from sqlalchemy import text

from callback_receiver import Receiver, running_receiver
from runner_callers import SECRET, Caller, Json, calling, runner_service
from wireroom.app.engine import Engine, open_engine
from wireroom.app.service import Service
from wireroom.clock import Clock, to_ms
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.acp_agent import ScriptedAcpAgent
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually
from wireroom.testing.leaks import LeakCheck
from wireroom.testing.ports import free_port
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

pytestmark = pytest.mark.timeout(90)

SLOTS = 5
LONG_BYTES = 200_000
"""More than Linux takes in one argument of a program (128 KiB)."""
COUNTER = "#!/bin/sh\nwc -c >> {file}\nexit 7\n"


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    return ScriptedAgent(tmp_path / "agent")


@pytest.fixture
def programs(tmp_path: Path) -> Json:
    """Return settings that name, for each coding agent, a program that counts what it reads, and fails."""
    counter = tmp_path / "counter"
    counter.write_text(COUNTER.format(file=tmp_path / "counted"))
    counter.chmod(0o755)
    names = ("claude", "cursor", "codex", "gemini", "opencode")
    return {f"{name}_cli_path": str(counter) for name in names}


async def execute(caller: Caller, prompt: str, conversation: str, **more: Any) -> Json:
    """Run a prompt in a conversation of its own and return the result, whatever its status."""
    wanted = {"prompt": prompt, "conversationId": conversation, **more}
    body: Json = (await caller.post("/cursor/execute", wanted)).body
    return body


def processes_of(agent: ScriptedAgent) -> list[int]:
    """Return every process that it started or left behind; their runs' ids are not known beforehand."""
    sign = os.fsencode(agent.ledger.path)
    return [pid for pid in _numbers(Path("/proc")) if sign in _command_line(pid)]


async def assert_slots_are_free(caller: Caller, agent: ScriptedAgent) -> None:
    """Raise AssertionError unless nothing runs or waits, and as many runs as there are slots work at once."""
    queue = (await caller.get("/health/queue")).body["queue"]
    assert queue == {"available": SLOTS, "waiting": 0, "maxConcurrent": SLOTS}
    wanted = [{"prompt": f"{agent.gate('all')}; say {n}", "conversationId": f"all-{n}"} for n in range(SLOTS)]
    begun = [(await caller.post("/cursor/execute/async", one)).body["runId"] for one in wanted]
    for run_id in begun:
        await caller.run_in_state(run_id, "running")
    agent.open_gate("all")
    for run_id in begun:
        await caller.run_in_state(run_id, "succeeded")


async def test_every_slot_is_free_after_floods_missing_programs_and_long_prompts(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """Five floods at once, five agents that are not installed, five prompts of 200 kB: nothing is held."""
    missing = {"backend": "claude"}
    long = "say " + "x" * LONG_BYTES
    async with (
        runner_service(
            database_path.parent, agent, run_slots=SLOTS, claude_cli_path="/nowhere/claude"
        ) as service,
        calling(service) as caller,
    ):
        leaks = LeakCheck(str(agent.ledger.path))
        floods = await asyncio.gather(
            *(execute(caller, "flood 30000; say dry", f"flood-{number}") for number in range(SLOTS))
        )
        absent = await asyncio.gather(
            *(execute(caller, "hello", f"absent-{number}", **missing) for number in range(SLOTS))
        )
        longs = await asyncio.gather(*(execute(caller, long, f"long-{number}") for number in range(SLOTS)))
        await assert_slots_are_free(caller, agent)
    await leaks.assert_none()
    await eventually(lambda: not processes_of(agent), "no process of the agent's is left")
    assert {(one["success"], one["output"]) for one in floods} == {(True, "dry")}
    assert {(one["success"], one["errorCode"]) for one in absent} == {(False, "agent_missing")}
    assert all("/nowhere/claude cannot be started: it is not on the PATH" in one["error"] for one in absent)
    assert {(one["success"], len(one["output"])) for one in longs} == {(True, LONG_BYTES)}
    assert agent.ledger.starts()[long] == SLOTS


@pytest.mark.parametrize("backend", ["claude", "cursor", "codex", "gemini", "opencode"])
async def test_long_prompt_reaches_every_program_by_standard_input(
    database_path: Path, agent: ScriptedAgent, programs: Json, tmp_path: Path, backend: str
) -> None:
    """200 kB are no argument of a program's start, so they are never too long for one."""
    async with (
        runner_service(database_path.parent, agent, **programs) as service,
        calling(service) as caller,
    ):
        answer = await execute(caller, "ž" * (LONG_BYTES // 2), "c", backend=backend)
    assert (answer["exitCode"], answer["errorCode"]) == (7, "agent_failed")
    assert int((tmp_path / "counted").read_text()) >= LONG_BYTES
    assert sum(len(word) for word in answer["command"]) < 2000


async def test_long_prompt_reaches_an_agent_that_is_talked_with(
    database_path: Path, agent: ScriptedAgent, tmp_path: Path
) -> None:
    """The same over the Agent Client Protocol."""
    acp = ScriptedAcpAgent(tmp_path / "acp")
    async with (
        runner_service(database_path.parent, agent, acp_command=acp.command) as service,
        calling(service) as caller,
    ):
        answer = await execute(caller, "say " + "x" * LONG_BYTES, "c", backend="acp")
    assert (answer["error"], len(answer["output"])) == (None, LONG_BYTES)


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        ("orphan; say after", "beforeafter"),
        ("stubborn; orphan", "before"),
        ("daemon", "before"),
        ("late 0.3", "beforelate"),
    ],
)
async def test_run_ends_with_its_agent_whoever_holds_its_output(
    database_path: Path, agent: ScriptedAgent, leaves: str, said: str
) -> None:
    """A grandchild that keeps stdout for a minute delays nothing; what was said is kept, nothing is left."""
    async with (
        runner_service(database_path.parent, agent, run_slots=SLOTS) as service,
        calling(service) as caller,
    ):
        leaks = LeakCheck(str(agent.ledger.path))
        started = time.monotonic()
        answer = await execute(caller, f"say before; {leaves}; raw over", "c")
        seconds = time.monotonic() - started
        log = (await caller.get(f"/api/runs/{answer['runId']}/events")).body["events"]
        await assert_slots_are_free(caller, agent)
    await leaks.assert_none()
    await eventually(lambda: not processes_of(agent), "no process of the agent's is left")
    assert (answer["success"], answer["exitCode"]) == (True, 0)
    assert "".join(event["payload"]["text"] for event in log if event["kind"] == "text") == said
    assert seconds < 15


class Wake:
    """Lets a service on a clock of the test look at its queues at once."""

    def __init__(self) -> None:
        self.engine: Engine | None = None

    @asynccontextmanager
    async def open(self, settings: Settings, clock: Clock) -> AsyncIterator[Engine]:
        """Open the product's own engine, and remember it."""
        async with open_engine(settings, clock) as self.engine:
            yield self.engine

    def __call__(self) -> None:
        """Look now."""
        assert self.engine is not None
        assert isinstance(self.engine.worker, EmbeddedWorker)
        self.engine.worker.wake()


@dataclass(frozen=True, slots=True)
class CallbackRow:
    """Where the callback stands."""

    state: str
    attempts: int
    due_at: int


async def callback_of(service: Service) -> CallbackRow:
    """Return the one callback; it is there once its run has been stored."""
    query = text("SELECT state, attempts, due_at FROM callbacks")
    row = await service.services.db.read(lambda conn: conn.execute(query).one())
    return CallbackRow(row.state, row.attempts, row.due_at or 0)


@asynccontextmanager
async def on_the_clock(
    data_dir: Path, agent: ScriptedAgent, clock: ManualClock
) -> AsyncIterator[tuple[Service, Wake]]:
    """Run a service whose time passes only when the test says so."""
    wake = Wake()
    known = Settings(data_dir=data_dir, port=0, webhook_secret=SecretStr(SECRET), drain_seconds=0)
    backend = ScriptedBackend(agent)
    async with Service(known, clock=clock, backend=backend, engine=wake.open) as service:
        yield service, wake


async def failed(service: Service, clock: ManualClock, tries: int = 1) -> CallbackRow:
    """Return the callback once so many tries have failed and the next one is due later."""
    row = CallbackRow("", 0, 0)

    async def waits() -> bool:
        nonlocal row
        row = await callback_of(service)
        return row.state == "pending" and row.attempts >= tries and row.due_at > to_ms(clock.now())

    await eventually(waits, f"try {tries} has failed", 20)
    return row


async def pass_time(service: Service, wake: Wake, clock: ManualClock, until: datetime) -> int:
    """Let the time pass from try to try, which all fail, until the moment; return the tries made."""
    row = await failed(service, clock)
    while row.due_at <= to_ms(until):
        clock.advance(timedelta(milliseconds=row.due_at - to_ms(clock.now())))
        wake()
        row = await failed(service, clock, row.attempts + 1)
    clock.advance(until - clock.now())
    return row.attempts


@pytest.mark.one_process("the time of the service is the test's")
async def test_receiver_that_is_down_for_ten_minutes_gets_its_callback_once(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """Tried again and again, over a restart of the service, and delivered once when the receiver is back."""
    port, folder = free_port(), database_path.parent
    clock = ManualClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    back = clock.now() + timedelta(minutes=10)
    wanted = {"prompt": "say kept", "id": "req-1", "callbackUrl": f"http://127.0.0.1:{port}/cb"}
    async with on_the_clock(folder, agent, clock) as (service, wake), calling(service) as caller:
        await caller.post("/cursor/execute/async", wanted)
        before = await pass_time(service, wake, clock, clock.now() + timedelta(minutes=5))
    async with on_the_clock(folder, agent, clock) as (service, wake):
        tries = await pass_time(service, wake, clock, back)
        async with running_receiver(port) as receiver:

            async def sent() -> bool:
                return (await callback_of(service)).state == "sent"

            due_ms = (await callback_of(service)).due_at
            clock.advance(timedelta(milliseconds=due_ms - to_ms(clock.now())))
            wake()
            await eventually(sent, "it is delivered", 10)
            clock.advance(timedelta(hours=2))
            wake()
    assert 5 <= before < tries
    assert [_about(one.body) for one in receiver.received] == [("req-1", True, "kept")]


def _about(body: bytes) -> tuple[str, bool, str]:
    result = json.loads(body)
    return result["requestId"], result["success"], result["output"]


@asynccontextmanager
async def asking(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a program that calls the service of this address."""
    headers = {"X-Webhook-Secret": SECRET}
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as session:
        yield session


async def _ask(url: str, prompt: str, port: int) -> None:
    wanted = {"prompt": prompt, "id": "req-1", "callbackUrl": f"http://127.0.0.1:{port}/cb"}
    async with asking(url) as session, session.post("/cursor/execute/async", json=wanted) as response:
        assert response.status == 200, await response.text()


async def _callback(url: str) -> Json:
    """Return the one callback, empty while there is none."""
    async with asking(url) as session, session.get("/api/callbacks") as response:
        found: list[Json] = (await response.json())["callbacks"]
        return found[0] if found else {}


def _stands(url: str, state: str, tries: int = 0) -> Callable[[], Awaitable[bool]]:
    async def stands() -> bool:
        row = await _callback(url)
        return bool(row) and row["state"] == state and row["attempts"] >= tries

    return stands


@pytest.mark.slow
async def test_callback_outlives_kills_while_its_receiver_is_down(tmp_path: Path) -> None:
    """Killed twice between two tries: the result arrives once, when both are back."""
    port = free_port()
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, WEBHOOK_SECRET=SECRET) as service,
    ):
        await service.start(forked=True)
        await _ask(service.url, "say kept", port)
        await eventually(_stands(service.url, "pending", 1), "the first try has failed", 20)
        await service.kill()
        await service.start(forked=True)
        await eventually(_stands(service.url, "pending", 2), "the second try has failed", 20)
        await service.kill()
        async with running_receiver(port) as receiver:
            await service.start(forked=True)
            await eventually(_stands(service.url, "sent"), "it is delivered", 30)
        assert service.agent.ledger.starts().total() == 1
    assert [_about(one.body) for one in receiver.received] == [("req-1", True, "kept")]


@pytest.mark.slow
async def test_callback_that_a_kill_left_unnoted_comes_again_under_its_key(tmp_path: Path) -> None:
    """Killed after the receiver's answer, before it is noted: sent once more, and known by its key."""
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, WEBHOOK_SECRET=SECRET) as service,
        running_receiver() as receiver,
    ):
        await service.start("within CallbackSender._sent 1")
        await _ask(service.url, "say kept", receiver.port)
        await service.died()
        await service.start(forked=True)
        await eventually(_stands(service.url, "sent"), "it is noted", 30)
    assert len(receiver.received) == 2
    assert len(set(_keys(receiver))) == 1
    assert {_about(one.body) for one in receiver.received} == {("req-1", True, "kept")}


def _keys(receiver: Receiver) -> list[str]:
    return [one.headers["Idempotency-Key"] for one in receiver.received]


def _numbers(folder: Path) -> list[int]:
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
