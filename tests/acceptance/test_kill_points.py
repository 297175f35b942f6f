"""`kill -9` at each point between a message and its answer: after a restart each has its one answer."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chats import Asked, all_answered, ask, assert_each_once
from evidence import show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, When
from wireroom.testing.eventually import eventually

RECOVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Two people, their bot, and the installation behind it."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat
    ben: Chat

    async def say(self, script: str = "") -> list[Asked]:
        """Let Ada ask two things, the first by the script, and Ben one."""
        return [
            await ask(self.telegram, self.ada, "token-1", script),
            await ask(self.telegram, self.ada, "token-2"),
            await ask(self.telegram, self.ben, "token-3"),
        ]


@asynccontextmanager
async def scene_by(way: str, folder: Path) -> AsyncIterator[Scene]:
    """Lend an installation that is not started yet."""
    async with BotAPIServer() as telegram:
        ada, ben = (telegram.private_chat(telegram.user(*who)) for who in ((7, "Ada"), (8, "Ben")))
        async with installed(folder, telegram, by=way) as service:
            yield Scene(telegram, service, ada, ben)


async def recover(
    scene: Scene, questions: list[Asked], point: str, *, gate: str = "", forked: bool = False
) -> None:
    """Start again, ask once more, and hold everything against the promise.

    A gate at which agents wait is opened once those of the former life are gone.
    """
    began = time.monotonic()
    leftovers = scene.service.agents()
    await scene.service.start(forked=forked)
    await eventually(lambda: not set(leftovers) & set(scene.service.agents()), "leftovers are ended")
    scene.service.agent.open_gate(gate or "none")
    questions = [*questions, await ask(scene.telegram, scene.ada, "token-4")]
    await all_answered(scene.telegram, questions, RECOVERY_SECONDS)
    seconds = time.monotonic() - began
    assert_each_once(scene.telegram, questions)
    starts = sum(scene.service.agent.ledger.starts().values())
    show(f"{point:55} recovered in {seconds:4.1f} s; {len(questions)} messages, {starts} agents started")
    assert seconds <= RECOVERY_SECONDS


COMMITS = {
    "update received, not committed": "within Receipts._write 1",
    "update committed, 200 not answered": "after Receipts._write 1",
    "update job claimed, nothing of it committed": "within UpdateHandler.handle 1",
    "update handled: run and delivery committed": "after UpdateHandler.handle 1",
    "second update claimed while the first one runs": "within UpdateHandler.handle 2",
    "run job claimed, attempt not begun": "within Executor._begin 1",
    "attempt begun, process not spawned": "after Executor._begin 1",
    "process spawned, its mark not stored": "within AgentCalls._note 1",
    "mark stored, prompt not written": "after AgentCalls._note 1",
    "agent done, result not committed": "within Executor._finish 1",
    "result committed, its delivery not begun": "after Executor._finish 1",
    "placeholder announced, not sent": "after Sender._place 1",
    "placeholder sent, not recorded": "within Sender._place 2",
    "placeholder recorded": "after Sender._place 2",
    "answer cut into parts, not committed": "within Sender._render 1",
    "answer shown, not recorded": "within Sender._fill 1",
    "answer recorded, delivery not closed": "after Sender._fill 1",
    "delivery closed": "after Records.shown 1",
}


@pytest.mark.parametrize("point", COMMITS)
async def test_kill_at_a_commit_answers_each_message_once(tmp_path: Path, point: str) -> None:
    """A process that dies just before or after any of its commits loses nothing and repeats nothing."""
    async with scene_by("webhook", tmp_path) as scene:
        await scene.service.start(COMMITS[point], forked=True)
        questions = await scene.say()
        await scene.service.died()
        await recover(scene, questions, point, forked=True)


POLLING_COMMITS = {
    "polling: update fetched, not committed": "within Poller._poll_once 1",
    "polling: update committed, offset not confirmed": "after Poller._poll_once 1",
    "polling: update handled": "after UpdateHandler.handle 1",
    "polling: agent done, result not committed": "within Executor._finish 1",
    "polling: placeholder sent, not recorded": "within Sender._place 2",
    "polling: answer shown, not recorded": "within Sender._fill 1",
}


@pytest.mark.parametrize("point", POLLING_COMMITS)
async def test_kill_while_polling_answers_each_message_once(tmp_path: Path, point: str) -> None:
    """The same holds when updates are fetched: the offset never confirms what is not stored."""
    async with scene_by("polling", tmp_path) as scene:
        await scene.service.start(POLLING_COMMITS[point], forked=True)
        questions = await scene.say()
        await scene.service.died()
        await recover(scene, questions, point, forked=True)


async def test_kill_while_the_agent_works_answers_once_and_ends_the_leftover(tmp_path: Path) -> None:
    """An agent that outlives the service is ended by the next start, and its run is done again."""
    async with scene_by("webhook", tmp_path) as scene:
        await scene.service.start(forked=True)
        agent = scene.service.agent
        questions = await scene.say(script=f"say half; {agent.gate('half')}")
        await eventually(lambda: agent.ledger.starts().total() == 2, "two agents work")
        await scene.service.kill()
        assert scene.service.agents(), "the agent outlives the service, or this proves nothing"
        await recover(scene, questions, "agent half done", gate="half")


CALLS = {
    "placeholder arrived, not shown": ("sendMessage", When.BEFORE),
    "placeholder shown, service not told": ("sendMessage", When.AFTER),
    "answer arrived, not shown": ("editMessageText", When.BEFORE),
    "answer shown, service not told": ("editMessageText", When.AFTER),
}


@pytest.mark.parametrize("point", CALLS)
async def test_kill_during_a_call_of_telegram_leaves_no_second_message(tmp_path: Path, point: str) -> None:
    """Whether Telegram had acted on the call that was cut off or not, one message stands in the end."""
    method, when = CALLS[point]
    async with scene_by("webhook", tmp_path) as scene:
        hold = scene.telegram.hold(method, when)
        await scene.service.start(forked=True)
        questions = await scene.say()
        await hold.reached()
        await scene.service.kill()
        hold.release(drop=True)
        await recover(scene, questions, point)


async def test_kill_again_while_recovering_leaves_no_placeholder(tmp_path: Path) -> None:
    """A second crash, before the placeholder that the first one lost is removed, is mended as well."""
    async with scene_by("webhook", tmp_path) as scene:
        await scene.service.start("within Sender._place 2", forked=True)
        questions = await scene.say()
        await scene.service.died()
        await scene.service.start("within Sender._place 2", forked=True)
        await scene.service.died()
        await recover(scene, questions, "placeholder lost twice")


async def test_kill_during_a_graceful_stop_answers_each_message_once(tmp_path: Path) -> None:
    """A kill that comes while the service waits for its agents is a crash like any other."""
    async with scene_by("webhook", tmp_path) as scene:
        await scene.service.start(forked=True)
        agent = scene.service.agent
        questions = await scene.say(script=agent.gate("drain"))
        await eventually(lambda: agent.ledger.starts().total() == 2, "two agents work")
        scene.service.tell_to_stop()
        await eventually(lambda: "stopping" in scene.service.log, "the stop has begun")
        await scene.service.kill()
        await recover(scene, questions, "during a graceful stop", gate="drain")
