"""A stream of messages while the service, or one process of a cluster, is killed again and again at random.

`WIREROOM_TEST_KILLS` and `WIREROOM_TEST_UPDATES` set the size; the full one is 200 and 2,000.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chats import Asked, all_answered, answer_order, ask, assert_each_once, is_answered
from evidence import percentile, show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat

KILLS = int(os.environ.get("WIREROOM_TEST_KILLS", "25"))
UPDATES = int(os.environ.get("WIREROOM_TEST_UPDATES", "300"))
CHATS = 40
MAX_WAITING = 60
"""Messages without an answer at which people wait, so that kills meet every stage and not a backlog."""
LIFE_SECONDS = (0.05, 0.9)
SEED = int(os.environ.get("WIREROOM_TEST_SEED", "1"))


@dataclass(slots=True)
class Stream:
    """The messages sent so far."""

    sent: list[Asked] = field(default_factory=list)
    waiting: list[Asked] = field(default_factory=list)


async def talk(telegram: BotAPIServer, chats: list[Chat], stream: Stream, draw: random.Random) -> None:
    """Send every message, in bursts to random chats, as fast as answers come back."""
    while len(stream.sent) < UPDATES:
        stream.waiting = [asked for asked in stream.waiting if not is_answered(telegram, asked)]
        for _ in range(
            min(draw.randint(1, 6), UPDATES - len(stream.sent), MAX_WAITING - len(stream.waiting))
        ):
            asked = await ask(telegram, draw.choice(chats), f"token-{len(stream.sent):05d}")
            stream.sent.append(asked)
            stream.waiting.append(asked)
        await asyncio.sleep(0.01)


async def kill_again_and_again(
    service: Installation, talking: asyncio.Task[None], draw: random.Random
) -> list[float]:
    """Kill and restart a process at random moments; return how long each start took, in seconds."""
    starts = [await service.start(forked=True)]
    for _ in range(KILLS):
        await asyncio.sleep(draw.uniform(*LIFE_SECONDS))
        await draw.choice(service.members).kill()
        starts.append(await service.start(forked=True))
    await talking
    return starts


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_random_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """Every message has its one answer, in the order of its chat, however often the service died."""
    draw = random.Random(SEED)  # noqa: S311 - moments of death, not secrets
    async with BotAPIServer() as telegram:
        chats = [telegram.private_chat(telegram.user(number, f"P{number}")) for number in range(1, CHATS + 1)]
        async with installed(tmp_path, telegram, WIREROOM_MAX_INTERRUPTIONS="1000") as service:
            began, stream = time.monotonic(), Stream()
            talking = asyncio.create_task(talk(telegram, chats, stream, draw), name="people")
            starts = await kill_again_and_again(service, talking, draw)
            await all_answered(telegram, stream.sent, 150)
            took = time.monotonic() - began
            assert_each_once(telegram, stream.sent)
            for chat in chats:
                assert answer_order(telegram, chat) == [
                    asked.message_id for asked in stream.sent if asked.chat.id == chat.id
                ]
            agents = service.agent.ledger
            report(took, starts, agents.starts().total(), agents.ends().total())


def report(took: float, starts: list[float], agents_started: int, agents_ended: int) -> None:
    """Print the figures."""
    show(f"{UPDATES} messages in {CHATS} chats, {KILLS} kills -9, {took:.0f} s")
    show("0 lost, 0 doubled, every chat in its order")
    show(f"start p50 {percentile(starts, 0.5):.2f} s, worst {max(starts):.2f} s (imports excluded)")
    show(f"agents started {agents_started}, came to their end {agents_ended}")
