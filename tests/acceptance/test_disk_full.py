"""A full disk at every stage: nothing is acknowledged that is not stored, and nothing that happened is lost.

The disk is made full for the service alone, by a limit on the size of the files that it writes.
"""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from chats import all_answered, ask, assert_each_once, replied
from evidence import show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, When
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.one_process(
    "the disk that is full is that of the SQLite file; PostgreSQL has its own"
)

FULL_BYTES = 4096
"""Less than the database's log has already."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One person, a running service, and its disk."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat

    def fill_disk(self) -> None:
        """Let no file of the service grow."""
        self._limit_files(FULL_BYTES)

    def free_disk(self) -> None:
        """Give the space back."""
        self._limit_files(resource.RLIM_INFINITY)

    async def logged(self, *events: str) -> None:
        """Return once the service has logged one of the events."""
        await eventually(lambda: any(event in self.service.log for event in events), str(events))

    async def works(self) -> None:
        """Return once an agent has been started."""
        await eventually(self.service.agent.ledger.starts, "an agent works")

    def _limit_files(self, size: int) -> None:
        resource.prlimit(self.service.members[0].pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.fixture(params=["webhook", "polling"])
async def scene(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend a running service that has answered once."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, by=request.param) as service:
        await service.start(forked=True)
        ada = telegram.private_chat(telegram.user(7))
        yield Scene(telegram, service, ada)


async def test_full_disk_during_intake_acknowledges_nothing(scene: Scene) -> None:
    """A message that cannot be stored stays with Telegram; with space back it is answered, once."""
    first = await ask(scene.telegram, scene.ada, "token-1")
    await all_answered(scene.telegram, [first], 10)
    scene.fill_disk()
    asked = await ask(scene.telegram, scene.ada, "token-2")
    await scene.logged("update_not_stored", "polling_failed")
    assert scene.telegram.pending_updates == 1
    assert "503" in scene.telegram.webhook.get("last_error_message", "503 is not seen by polling")
    assert await _health(scene.service) == 200
    scene.free_disk()
    seconds = await all_answered(scene.telegram, [first, asked], 10)
    assert_each_once(scene.telegram, [first, asked])
    show(f"answered {seconds:.1f} s after there was space again")


async def _health(service: Installation) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/health") as response:
        return response.status


async def test_full_disk_while_a_run_ends_does_not_lose_its_result(scene: Scene) -> None:
    """What an agent did is kept in memory until it can be stored; the agent is not started again."""
    asked = await ask(scene.telegram, scene.ada, "token-1", scene.service.agent.gate("work"))
    await replied(scene.telegram, scene.ada, asked.message_id, "Accepted")
    await scene.works()
    scene.fill_disk()
    scene.service.agent.open_gate("work")
    await scene.logged("run_events_not_stored", "store_waited_for")
    scene.free_disk()
    await all_answered(scene.telegram, [asked], 10)
    assert_each_once(scene.telegram, [asked])
    assert scene.service.agent.ledger.starts().total() == 1


async def test_full_disk_while_a_message_is_sent_sends_it_once(scene: Scene) -> None:
    """A placeholder that is shown but cannot be recorded is recorded later, not sent again."""
    hold = scene.telegram.hold("sendMessage", When.AFTER)
    asked = await ask(scene.telegram, scene.ada, "token-1", scene.service.agent.gate("work"))
    await hold.reached()
    await scene.works()
    scene.fill_disk()
    hold.release()
    await scene.logged("delivery 1")
    scene.free_disk()
    scene.service.agent.open_gate("work")
    await all_answered(scene.telegram, [asked], 10)
    assert_each_once(scene.telegram, [asked])
    assert len(scene.telegram.calls_of("sendMessage")) == 1
