"""Three web and three worker processes on one PostgreSQL and one Redis: whichever goes, nobody notices.

All of `tests/acceptance` runs so with WIREROOM_TEST_SITE=cluster; this part belongs to every run of tests.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chats import all_answered, answer_order, ask, assert_each_once, is_answered
from evidence import show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.postgres


@dataclass(frozen=True, slots=True)
class Scene:
    """Two people and a cluster that runs."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat
    ben: Chat


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend them."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, cluster=True) as service:
        await service.start()
        ada, ben = (telegram.private_chat(telegram.user(*who)) for who in ((7, "Ada"), (8, "Ben")))
        yield Scene(telegram, service, ada, ben)


async def test_death_of_a_web_and_a_worker_costs_nobody_an_answer(scene: Scene) -> None:
    """The worker that runs an agent dies, and a web; the others answer everything once, in order."""
    agent, telegram = scene.service.agent, scene.telegram
    questions = [await ask(telegram, scene.ada, "token-0", agent.gate("work"))]
    await eventually(agent.ledger.starts, "the agent works")
    webs, workers = scene.service.members[:3], scene.service.members[3:]
    await webs[0].kill()
    await asyncio.gather(*(worker.kill() for worker in workers[:2]))
    for number in range(1, 5):
        questions.append(await ask(telegram, scene.ada, f"token-{number}"))
        questions.append(await ask(telegram, scene.ben, f"token-b{number}"))
    agent.open_gate("work")
    seconds = await all_answered(telegram, questions, 20)
    assert_each_once(telegram, questions)
    of_ada = [asked.message_id for asked in questions if asked.chat.id == scene.ada.id]
    assert answer_order(telegram, scene.ada) == of_ada
    show(f"a web and two of three workers gone: {len(questions)} messages answered once in {seconds:.1f} s")


async def test_worker_that_slept_past_its_lease_adds_nothing(scene: Scene) -> None:
    """Workers that were stopped while agents worked find their runs taken up: still one answer each."""
    agent, telegram = scene.service.agent, scene.telegram
    questions = [
        await ask(telegram, chat, f"token-{chat.id}", agent.gate("work")) for chat in (scene.ada, scene.ben)
    ]
    await eventually(lambda: agent.ledger.starts().total() == 2, "both agents work")
    sleepers = scene.service.members[3:5]
    for worker in sleepers:
        worker.freeze()
    agent.open_gate("work")
    seconds = await all_answered(telegram, questions, 20)
    for worker in sleepers:
        worker.thaw()
    fence = await ask(telegram, scene.ada, "fence")
    await eventually(lambda: is_answered(telegram, fence), "a later question is answered")
    assert await scene.service.stop() == 0
    assert_each_once(telegram, [*questions, fence])
    show(f"two of three workers asleep: answered once in {seconds:.1f} s")
