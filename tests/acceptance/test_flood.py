"""Telegram says later, never or nothing, or breaks off: trouble stays in its chat, answers stay single."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chats import all_answered, ask, assert_each_once, is_answered, replied
from evidence import percentile, show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, DropAfter, DropBefore, Hang, Slow, blocked, broken, flooded
from wireroom.testing.bot_api.faults import Fault
from wireroom.testing.eventually import eventually

QUESTIONS = 40
FLOOD_SECONDS = 12
"""Longer than all of ben's questions take, so that the flood covers the whole measurement."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Two people and a running service."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat
    ben: Chat

    async def ask_many(self, chat: Chat, name: str) -> list[float]:
        """Ask one question after the other; return the seconds from each to its answer."""
        seconds = []
        for number in range(QUESTIONS):
            began = time.monotonic()
            asked = await ask(self.telegram, chat, f"{name}-{number}")
            await eventually(lambda asked=asked: is_answered(self.telegram, asked), asked.token)
            seconds.append(time.monotonic() - began)
        return seconds


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend a running service without flood rules of its own."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start(forked=True)
        ada, ben = (telegram.private_chat(telegram.user(*who)) for who in ((7, "Ada"), (8, "Ben")))
        yield Scene(telegram, service, ada, ben)


async def test_flood_in_one_chat_leaves_the_other_as_fast_as_before(scene: Scene) -> None:
    """While chat A must wait, chat B is answered as always; A gets its answer afterwards, once."""
    before = await scene.ask_many(scene.ben, "calm")
    rule = scene.telegram.fault(flooded(FLOOD_SECONDS), chat=scene.ada, method="sendMessage")
    began = time.monotonic()
    late = [await ask(scene.telegram, scene.ada, f"late-{number}") for number in range(3)]
    await eventually(lambda: rule.hits, "the flood has begun")
    during = await scene.ask_many(scene.ben, "flood")
    assert not any(is_answered(scene.telegram, asked) for asked in late), "the flood was too short"
    await all_answered(scene.telegram, late, FLOOD_SECONDS + 5)
    waited = time.monotonic() - began
    assert_each_once(scene.telegram, late)
    for name, seconds in (("alone", before), ("beside the flood", during)):
        p50, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
        show(f"chat B {name}: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, n={len(seconds)}")
    show(f"chat A: {len(late)} answers {waited:.1f} s after a 429 of {FLOOD_SECONDS} s")
    assert waited >= FLOOD_SECONDS
    assert percentile(during, 0.99) <= 3 * percentile(before, 0.99) + 0.25


async def test_flood_while_the_answer_is_edited_is_waited_out(scene: Scene) -> None:
    """A 429 on the edit that carries the answer delays it and nothing else."""
    scene.telegram.fault(flooded(1), chat=scene.ada, method="editMessageText")
    asked = await ask(scene.telegram, scene.ada, "token-1")
    seconds = await all_answered(scene.telegram, [asked], 10)
    assert_each_once(scene.telegram, [asked])
    assert seconds >= 1


async def test_blocked_bot_leaves_a_dead_letter_that_is_sent_after_unblocking(scene: Scene) -> None:
    """A person who blocked the bot costs one call; the letter is listed, and sent when it is retried."""
    rule = scene.telegram.fault(blocked(), chat=scene.ada, method="sendMessage", count=None)
    asked = await ask(scene.telegram, scene.ada, "token-1")
    await eventually(lambda: scene.service.agent.ledger.ends().total() == 1, "the agent has ended")
    await eventually(lambda: "delivery_given_up" in scene.service.log, "it is given up")
    assert rule.hits == 1
    listed = (await scene.service.command("deliveries", "list", "--state", "dead")).out
    assert "bot was blocked by the user" in listed
    rule.lift()
    assert (await scene.service.command("deliveries", "retry", "1")).code == 0
    await all_answered(scene.telegram, [asked], 10)
    assert_each_once(scene.telegram, [asked])


FAULTS: dict[str, tuple[str, Fault, int]] = {
    "placeholder refused twice with 500": ("sendMessage", broken(), 2),
    "placeholder dropped before it acted": ("sendMessage", DropBefore(), 1),
    "placeholder dropped after it acted": ("sendMessage", DropAfter(), 2),
    "placeholder slow": ("sendMessage", Slow(1.0), 1),
    "placeholder hangs": ("sendMessage", Hang(1.0), 1),
    "answer refused with 502": ("editMessageText", broken(502, "Bad Gateway"), 1),
    "answer dropped before it acted": ("editMessageText", DropBefore(), 1),
    "answer dropped after it acted": ("editMessageText", DropAfter(), 1),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_trouble_with_a_call_ends_in_one_answer(scene: Scene, name: str) -> None:
    """Whatever Telegram says or does not say, each message has one answer and no placeholder stays."""
    method, fault, count = FAULTS[name]
    rule = scene.telegram.fault(fault, chat=scene.ada, method=method, count=count)
    questions = [await ask(scene.telegram, chat, f"token-{chat.id}") for chat in (scene.ada, scene.ben)]
    seconds = await all_answered(scene.telegram, questions, 20)
    assert rule.hits == count
    assert_each_once(scene.telegram, questions)
    show(f"{name}: {seconds:.1f} s")


async def test_other_chats_are_served_while_one_call_hangs(scene: Scene) -> None:
    """A call that hangs holds up its own chat only."""
    scene.telegram.fault(Hang(5.0), chat=scene.ada, method="sendMessage")
    await ask(scene.telegram, scene.ada, "token-1")
    for number in range(3):
        asked = await ask(scene.telegram, scene.ben, f"token-b{number}")
        await replied(scene.telegram, scene.ben, asked.message_id, asked.token, 2)
