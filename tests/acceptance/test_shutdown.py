"""How the service starts, stops, shares its folder and tells about itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chats import all_answered, ask, assert_each_once, replied
from evidence import show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually

CANCEL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One person and an installation that is not started yet."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend it."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        yield Scene(telegram, service, telegram.private_chat(telegram.user(7)))


async def test_start_is_quick_and_stop_is_clean(tmp_path: Path) -> None:
    """The service listens soon after its start, and SIGTERM ends it with exit code 0."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, migrated=False) as service:
        first = await service.start()
        assert await service.stop() == 0
        again = await service.start()
        began = time.monotonic()
        assert await service.stop() == 0
        stopping = time.monotonic() - began
    show(f"first start {first:.2f} s (with migration), next {again:.2f} s, stop while idle {stopping:.2f} s")
    assert stopping < 5


async def test_stop_waits_for_the_agent_and_answers(scene: Scene) -> None:
    """An agent that ends within the drain is answered before the service is gone, and not again later."""
    await scene.service.start()
    asked = await ask(scene.telegram, scene.ada, "token-1", scene.service.agent.gate("work"))
    await eventually(scene.service.agent.ledger.starts, "the agent works")
    scene.service.tell_to_stop()
    await eventually(lambda: "stopping" in scene.service.log, "the stop has begun")
    scene.service.agent.open_gate("work")
    assert await scene.service.stop() == 0
    assert_each_once(scene.telegram, [asked])
    await scene.service.start(forked=True)
    later = await ask(scene.telegram, scene.ada, "token-2")
    await all_answered(scene.telegram, [later], 10)
    assert_each_once(scene.telegram, [asked, later])
    assert scene.service.agent.ledger.starts().total() == 2


async def test_stop_hands_a_longer_run_to_the_next_start(tmp_path: Path) -> None:
    """An agent that needs longer than the drain is ended; the next start does the run again, once."""
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, WIREROOM_DRAIN_SECONDS="0.2") as service,
    ):
        await service.start()
        ada = telegram.private_chat(telegram.user(7))
        asked = await ask(telegram, ada, "token-1", service.agent.gate("work"))
        await eventually(service.agent.ledger.starts, "the agent works")
        assert await service.stop() == 0
        assert service.agents() == []
        service.agent.open_gate("work")
        await service.start(forked=True)
        await all_answered(telegram, [asked], 10)
        assert_each_once(telegram, [asked])


@pytest.mark.one_process("any number of processes may share a PostgreSQL database")
async def test_second_service_on_the_same_folder_is_refused(scene: Scene) -> None:
    """A second instance says in one sentence who owns the folder, and exits with 1; the first goes on."""
    await scene.service.start(forked=True)
    second = await scene.service.command("up", PORT="0")
    assert second.code == 1
    assert f"Process {scene.service.members[0].pid} already runs the work of" in second.err
    assert "Traceback" not in second.err
    asked = await ask(scene.telegram, scene.ada, "token-1")
    await all_answered(scene.telegram, [asked], 10)
    show(second.err.strip())


async def test_cancel_from_another_process_stops_the_agent_within_a_second(scene: Scene) -> None:
    """`wireroom runs cancel` beside the service ends the agent and tells the chat."""
    await scene.service.start(forked=True)
    asked = await ask(scene.telegram, scene.ada, "token-1", scene.service.agent.gate("work"))
    await eventually(scene.service.agent.ledger.starts, "the agent works")
    shown = (await scene.service.command("runs", "list", "--state", "running")).out
    run_id = next(word for word in shown.split() if word.startswith("run-"))
    assert (await scene.service.command("runs", "cancel", run_id)).out == "It is being stopped.\n"
    began = time.monotonic()
    await replied(scene.telegram, scene.ada, asked.message_id, "⏹ Stopped.")
    seconds = time.monotonic() - began
    assert scene.service.agents() == []
    show(f"cancelled by another process: the chat shows it {seconds:.2f} s after the command returned")
    assert seconds < CANCEL_SECONDS


async def test_runs_are_listed_and_shown_with_their_log(scene: Scene) -> None:
    """`wireroom runs list` and `show` tell what was asked, what the agent did and how it ended."""
    await scene.service.start(forked=True)
    asked = await ask(scene.telegram, scene.ada, "token-1", "tool Bash")
    await all_answered(scene.telegram, [asked], 10)
    listed = (await scene.service.command("runs", "list")).out
    run_id = next(word for word in listed.split() if word.startswith("run-"))
    shown = (await scene.service.command("runs", "show", run_id)).out
    assert "succeeded" in listed
    for expected in ("tool Bash; say token-1", "tool_call", "succeeded"):
        assert expected in shown


async def test_doctor_says_what_is_there_and_what_is_missing(scene: Scene) -> None:
    """`wireroom doctor` names each part in plain words; a bot that cannot be reached is explained."""
    await scene.service.start(forked=True)
    await eventually(lambda: scene.telegram.webhook["url"], "the webhook is set")
    fine = await scene.service.command("doctor", WIREROOM_BACKEND="demo")
    assert fine.code == 0
    assert "bot @wireroom_test_bot" in fine.out
    assert f"Webhook: {scene.service.url}" in fine.out
    missing = await scene.service.command("doctor", WIREROOM_BACKEND="claude", PATH="/nonexistent")
    assert missing.code == 1
    assert "❌ Coding agent: claude is not installed" in missing.out
    unreachable = await scene.service.command("doctor", TELEGRAM_API_URL="http://127.0.0.1:1")
    assert "Check TELEGRAM_BOT_TOKEN and the network" in unreachable.out
    show(fine.out.strip())
