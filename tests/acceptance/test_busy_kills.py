"""`kill -9` while messages are collected, and while an agent is told one: each is asked once, none lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from chats import replied, told
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually


@dataclass(frozen=True, slots=True)
class Scene:
    """Ada's chat, and the installation behind it."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat

    async def say(self, text: str) -> int:
        """Send a message and return its id."""
        return self.telegram.message_id_of(await self.telegram.user_says(self.ada, text))

    async def work(self, gate: str, then: str = "say done") -> int:
        """Have the agent work until the gate is opened; return the message's id once it does."""
        asked = await self.say(f"{self.service.agent.gate(gate)}; {then}")
        await eventually(self.service.agents, "the agent works")
        return asked

    async def begin_again(self) -> None:
        """Start the service once more after its death."""
        await self.service.died()
        await self.service.start(forked=True)

    def starts(self, prompt: str) -> int:
        """Return how often this was asked."""
        return self.service.agent.ledger.starts()[prompt]


@asynccontextmanager
async def _scene(folder: Path, fault: str, **settings: Any) -> AsyncIterator[Scene]:
    async with BotAPIServer() as telegram, installed(folder, telegram, **settings) as service:
        await service.start(fault, forked=True)
        yield Scene(telegram, service, telegram.private_chat(telegram.user(7, "Ada")))


COLLECTING = {
    "second message joined, not committed": "within UpdateHandler.handle 3",
    "second message joined": "after UpdateHandler.handle 3",
    "all asked as one, agent not started": "after Executor._begin 2",
}


@pytest.mark.parametrize("point", COLLECTING)
async def test_kill_while_collecting_loses_and_repeats_nothing(tmp_path: Path, point: str) -> None:
    """Three messages are one request with each of them once, whenever the process dies."""
    async with _scene(tmp_path, COLLECTING[point], WIREROOM_BUSY_MODE="collect") as scene:
        first = await scene.work("one")
        head = await scene.say("say red")
        for text in ("say green", "say blue"):
            await scene.say(text)
        if "handle" in COLLECTING[point]:
            await scene.begin_again()
        # Updates of a chat are handled in order: once this is answered, all before it were.
        await told(scene.telegram, scene.ada, "/queue", "1. say red")
        scene.service.agent.open_gate("one")
        if "_begin" in COLLECTING[point]:
            await scene.begin_again()
        await replied(scene.telegram, scene.ada, first, "done")
        await replied(scene.telegram, scene.ada, head, "redgreenblue")
        assert scene.starts("say red\n\nsay green\n\nsay blue") == 1
        assert sum(scene.service.agent.ledger.starts().values()) <= 3


STEERING = {
    "words about to be told, not committed": "within Steering.hand 1",
    "words about to be told": "after Steering.hand 1",
    "words heard, not committed": "within Steering.heard 1",
    "words heard": "after Steering.heard 1",
}


@pytest.mark.parametrize("point", STEERING)
async def test_kill_while_telling_the_agent_never_asks_the_words_again(tmp_path: Path, point: str) -> None:
    """The request that goes on after the crash has the words in it; they are no request of their own."""
    steer = {"WIREROOM_BUSY_MODE": "steer", "ACCEPTANCE_TALK": "yes"}
    async with _scene(tmp_path, STEERING[point], **steer) as scene:
        scene.service.agent.open_gate("one")
        first = await scene.work("one", "hear 3; say end")
        words = await scene.say("say blue")
        await scene.begin_again()
        await replied(scene.telegram, scene.ada, words, "The agent at work was told")
        answer = await replied(scene.telegram, scene.ada, first, "end")
        assert answer.text.count("blue") == 1
        assert scene.starts("say blue") == 0


async def test_words_of_a_run_that_does_not_go_on_have_their_own_turn(tmp_path: Path) -> None:
    """Where interrupted work is only reported, what its agent was being told is asked by itself, once."""
    steer = {"WIREROOM_BUSY_MODE": "steer", "ACCEPTANCE_TALK": "yes", "WIREROOM_INTERRUPTED_POLICY": "report"}
    async with _scene(tmp_path, "after Steering.hand 1", **steer) as scene:
        first = await scene.work("one", "hear 9")
        words = await scene.say("say blue")
        await scene.begin_again()
        await replied(scene.telegram, scene.ada, first, "Wireroom went down")
        await replied(scene.telegram, scene.ada, words, "blue")
        assert scene.starts("say blue") == 1
