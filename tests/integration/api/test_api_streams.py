"""Live streams on a whole service: cut anywhere, resumed exactly; nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest

from stream_listener import Listener
from wireroom.app.service import Service
from wireroom.runs.feed import Feed
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

Client = aiohttp.ClientSession
Call = Callable[..., Any]


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[None]:
    """Listen beside the body, and stop listening after it."""
    task = asyncio.create_task(listener.listen())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def log_of(program: Client, run_id: str) -> list[Any]:
    """Return the whole log as the rows tell it."""
    async with program.get(f"/api/runs/{run_id}/events?limit=1000") as response:
        return list((await response.json())["events"])


@pytest.mark.parametrize("seed", range(4))
async def test_run_stream_cut_anywhere_is_the_log(program: Client, ask: Call, seed: int) -> None:
    """Connections that die at random bytes, joined by Last-Event-ID, give the log exactly."""
    draw = random.Random(seed)  # noqa: S311 - where to cut, not a secret
    run_id = await ask("; ".join(f"tool t{number}; say {number}" for number in range(60)))
    listener = Listener(program, f"/api/runs/{run_id}/stream")
    while await listener.listen(most_bytes=draw.randint(1, 1_500)) == 200:
        assert listener.connections < 500
    assert listener.connections > 10
    assert listener.heard == await log_of(program, run_id)


async def test_run_stream_ends_with_the_run_and_does_not_come_back(
    program: Client, agent: ScriptedAgent, ask: Call
) -> None:
    """It is live before the end, ends by itself, and a browser that reconnects is told 204."""
    run_id = await ask(f"say before; {agent.gate('go')}; say after")
    listener = Listener(program, f"/api/runs/{run_id}/stream")
    task = asyncio.create_task(listener.listen())
    await eventually(lambda: "before" in str(listener.heard), "it is followed live")
    agent.open_gate("go")
    assert await task == 200
    assert listener.heard[-1]["payload"] == {"state": "succeeded", "reason": None}
    assert await listener.listen() == 204


async def test_run_stream_refuses_an_id_that_is_no_number(program: Client, ask: Call) -> None:
    """A made-up Last-Event-ID is a 400."""
    run_id = await ask("say x")
    listener = Listener(program, f"/api/runs/{run_id}/stream")
    for wrong in ("x", "-1", "1.5", "²"):
        listener.last_id = wrong
        assert await listener.listen() == 400


@pytest.mark.parametrize("seed", range(4))
async def test_chat_stream_cut_anywhere_brings_every_line_once(
    program: Client, ask: Call, until: Call, seed: int
) -> None:
    """Many runs, some removed from the queue, some failed: each line of each log arrives exactly once."""
    draw = random.Random(seed)  # noqa: S311 - where to cut, not a secret
    async with program.get("/api/chat") as response:
        start = (await response.json())["cursor"]
    listener = Listener(program, f"/api/chat/stream?after={start}")
    wanted = [
        "stream 40 0.03",
        "say one",
        "exit 2",
        "; ".join(f"tool {n}" for n in range(120)),
        "say removed",
        "stream 10 0.002",
    ]
    run_ids = [await ask(script) for script in wanted]
    async with program.post(f"/api/runs/{run_ids[4]}/cancel") as response:
        assert response.status == 202
    cutting = asyncio.create_task(_cut_often(listener, draw))
    for run_id in run_ids:
        await until(run_id, "succeeded", "failed", "cancelled")
    expected = {run_id: await log_of(program, run_id) for run_id in run_ids}
    total = sum(len(log) for log in expected.values())
    await eventually(lambda: len(listener.lines()) >= total, "all lines have arrived", 20)
    cutting.cancel()
    await asyncio.gather(cutting, return_exceptions=True)
    heard: dict[str, list[Any]] = {run_id: [] for run_id in run_ids}
    for line in listener.lines():
        heard[line.pop("run_id")].append(line)
    assert heard == expected
    last = {run["id"]: run["state"] for news in listener.heard for run in news["runs"]}
    ends = dict.fromkeys(run_ids, "succeeded") | {run_ids[2]: "failed", run_ids[4]: "cancelled"}
    assert last == ends


async def _cut_often(listener: Listener, draw: random.Random) -> None:
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(draw.uniform(0.01, 0.3)):
                await listener.listen(most_bytes=draw.choice([draw.randint(1, 4_000), 1_000_000]))


async def test_chat_stream_begins_where_the_shown_chat_ends(
    program: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """Ended runs are not told again; the log of the open one comes from its start; places are kept up."""
    ended = await ask("say ended")
    await until(ended, "succeeded")
    open_run = await ask(f"say begun; {agent.gate('go')}; say after")
    waiting = await ask("say waited")
    await until(open_run, "running")
    async with program.get("/api/chat") as response:
        chat = await response.json()
    assert [(run["id"], run["place"]) for run in chat["runs"]] == [(ended, 0), (open_run, 0), (waiting, 1)]
    listener = Listener(program, f"/api/chat/stream?after={chat['cursor']}")
    async with listening(listener):
        await eventually(lambda: listener.heard, "the stream greets")
        assert {run["id"] for run in listener.heard[0]["runs"]} == {open_run, waiting}
        agent.open_gate("go")
        await until(waiting, "succeeded")
        log = [*await log_of(program, open_run), *await log_of(program, waiting)]
        await eventually(lambda: len(listener.lines()) >= len(log), "the logs have come")
    lines = listener.lines()
    assert ended not in {line.pop("run_id") for line in lines}
    assert lines == log


async def test_chat_stream_tells_of_a_new_conversation(program: Client, ask: Call, until: Call) -> None:
    """Another tab's wish reaches this one."""
    await until(await ask("say x"), "succeeded")
    listener = Listener(program, "/api/chat/stream")
    async with listening(listener):
        await eventually(lambda: listener.heard, "the stream greets")
        async with program.post("/api/chat/new") as response:
            new = (await response.json())["id"]
        await eventually(lambda: listener.heard[-1]["conversation_id"] == new, "it is told")


async def test_chat_stream_refuses_a_cursor_that_it_did_not_make(program: Client) -> None:
    """A made-up cursor is a 400."""
    async with program.get("/api/chat/stream?after=x") as response:
        assert response.status == 400


async def test_stream_lets_go_of_everything_when_its_reader_leaves(service: Service, program: Client) -> None:
    """Closed tabs leave nothing behind: the feed has no readers once they have gone."""
    feed: Feed = service.services.feed
    own = _counted(feed)
    listener = Listener(program, "/api/chat/stream")
    for _ in range(3):
        await listener.listen(most_bytes=20)
    await eventually(lambda: _counted(feed) == own, "the readers have gone", 5)


def _counted(feed: Feed) -> dict[str, int]:
    """Return how many read each topic; the service itself reads some."""
    return {topic: len(readers) for topic, readers in feed._readers.items()}
