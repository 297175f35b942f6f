"""What a person does while an agent works: more messages, `/stop`, `/queue`, edits."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from chats import Asked, all_answered, answer_order, ask, assert_each_once, replied, told
from evidence import show
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Change, Chat, SeenMessage
from wireroom.testing.eventually import eventually

STOP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Scene:
    """One person and a running service."""

    telegram: BotAPIServer
    service: Installation
    ada: Chat

    async def begin(self, token: str, gate: str = "work") -> Asked:
        """Ask for work that lasts until the gate is opened, and return once its agent works."""
        asked = await ask(self.telegram, self.ada, token, self.service.agent.gate(gate))
        await eventually(lambda: self.started(token), f"the agent works on {token}")
        return asked

    def started(self, token: str) -> int:
        """Return how often an agent was started on the token."""
        starts = self.service.agent.ledger.starts()
        return sum(count for prompt, count in starts.items() if token in prompt)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend a running service without flood rules."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start(forked=True)
        yield Scene(telegram, service, telegram.private_chat(telegram.user(7)))


async def test_messages_during_a_long_run_are_answered_in_order(scene: Scene) -> None:
    """Seven messages written while an agent works wait visibly, and are answered in their order."""
    long = await scene.begin("token-0")
    others = [await ask(scene.telegram, scene.ada, f"token-{number}") for number in range(1, 8)]
    for place, asked in enumerate(others, start=1):
        await replied(scene.telegram, scene.ada, asked.message_id, f"Queued, number {place}")
    scene.service.agent.open_gate("work")
    seconds = await all_answered(scene.telegram, [long, *others], 10)
    assert_each_once(scene.telegram, [long, *others])
    assert answer_order(scene.telegram, scene.ada) == [asked.message_id for asked in (long, *others)]
    order = [entry.prompt for entry in scene.service.agent.ledger.entries() if entry.what == "start"]
    assert all(asked.token in prompt for asked, prompt in zip((long, *others), order, strict=True))
    show(f"8 messages answered in order {seconds:.2f} s after the long run was let go")


async def test_stop_acts_within_a_second_while_the_queue_is_blocked(tmp_path: Path) -> None:
    """With the flood rules as they are, progress streaming and a message waiting, `/stop` is seen in 1 s."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, paced=True) as service:
        await service.start(forked=True)
        seconds = []
        for number in range(1, 4):
            ada = telegram.private_chat(telegram.user(number))
            await telegram.user_says(ada, "stream 500 0.05")
            await ask(telegram, ada, "waiting-1")
            await eventually(lambda ada=ada: _shows(telegram, ada, "12 "), "progress is shown")
            seconds.append(await _seconds_to_stop(telegram, ada))
            await eventually(lambda: not service.agents(), "no agent is left", 2)
        show("/stop to ⏹ in the chat: " + ", ".join(f"{one:.2f} s" for one in seconds))
        assert max(seconds) < STOP_SECONDS


async def _seconds_to_stop(telegram: BotAPIServer, chat: Chat) -> float:
    """Say /stop and return when the message of the running request showed that it was stopped."""
    began = time.monotonic()
    await telegram.user_says(chat, "/stop")

    def seen() -> list[float]:
        return [
            one.at
            for one in telegram.sightings(chat)
            if one.change is Change.EDITED and one.text.startswith("⏹ Stopped") and one.at >= began
        ]

    await eventually(seen, "the chat shows that it was stopped", 5)
    return seen()[0] - began


def _shows(telegram: BotAPIServer, chat: Chat, text: str) -> bool:
    return any(text in shown for shown in telegram.bot_says(chat))


async def test_stop_leaves_what_waits(scene: Scene) -> None:
    """`/stop` ends the running request alone; the next one is worked on."""
    running = await scene.begin("token-1")
    waiting = await ask(scene.telegram, scene.ada, "token-2")
    await told(scene.telegram, scene.ada, "/stop", "1 waiting will still run")
    await replied(scene.telegram, scene.ada, running.message_id, "⏹ Stopped.")
    await replied(scene.telegram, scene.ada, waiting.message_id, "token-2")


async def test_stop_all_drops_what_waits(scene: Scene) -> None:
    """`/stop all` also takes every waiting request out of the queue, and says so at each."""
    running = await scene.begin("token-1")
    waiting = [await ask(scene.telegram, scene.ada, f"token-{number}") for number in (2, 3)]
    await told(scene.telegram, scene.ada, "/stop all", "Dropped 2 waiting")
    await replied(scene.telegram, scene.ada, running.message_id, "⏹ Stopped.")
    for asked in waiting:
        await replied(scene.telegram, scene.ada, asked.message_id, "Taken out of the queue")
        assert scene.started(asked.token) == 0


async def test_queue_shows_what_runs_and_what_waits(scene: Scene) -> None:
    """`/queue` answers while the chat's agent works, with the running request first."""
    await scene.begin("token-1")
    await ask(scene.telegram, scene.ada, "token-2")
    shown = await told(scene.telegram, scene.ada, "/queue", "token-2")
    first, second = shown.text.splitlines()
    assert first.startswith("▶️ gate")
    assert second == "1. Please repeat token-2."


async def test_status_answers_while_the_agent_works(scene: Scene) -> None:
    """`/status` says that the service is online and what it works on."""
    await scene.begin("token-1")
    await told(scene.telegram, scene.ada, "/status", "Working for")


async def test_retry_asks_the_last_request_again(scene: Scene) -> None:
    """`/retry` runs the last request of the chat once more and answers under the command."""
    await told(scene.telegram, scene.ada, "Please repeat token-1.", "token-1")
    await told(scene.telegram, scene.ada, "/retry", "token-1")
    assert scene.started("token-1") == 2


async def test_edit_of_a_waiting_message_replaces_it(scene: Scene) -> None:
    """The agent sees only the new wording of a message that was edited while it waited."""
    await scene.begin("token-1")
    waiting = await ask(scene.telegram, scene.ada, "token-old")
    await replied(scene.telegram, scene.ada, waiting.message_id, "Queued")
    await scene.telegram.user_edits(scene.ada, waiting.message_id, "Please repeat token-new.")
    await told(scene.telegram, scene.ada, "/queue", "token-new")
    scene.service.agent.open_gate("work")
    await replied(scene.telegram, scene.ada, waiting.message_id, "token-new")
    assert scene.started("token-old") == 0


async def test_edit_of_a_begun_message_offers_a_button_that_runs_it_once(scene: Scene) -> None:
    """An edit that comes too late changes nothing; its button runs the new wording, however often pressed."""
    begun = await scene.begin("token-1")
    await scene.telegram.user_edits(scene.ada, begun.message_id, "Please repeat token-new.")
    offer = await replied(scene.telegram, scene.ada, begun.message_id, "had begun already")
    for _ in range(3):
        await scene.telegram.user_presses(offer.button("▶️ Run the new wording"))
    scene.service.agent.open_gate("work")
    await told(scene.telegram, scene.ada, "Please repeat token-2.", "token-2")
    assert scene.started("token-new") == 1
    answers = [
        message for message in scene.telegram.visible(scene.ada) if message.text.endswith("token-new.")
    ]
    assert len([message for message in answers if message.from_bot]) == 1


async def test_stop_button_under_the_progress_stops_the_run(scene: Scene) -> None:
    """The button that progress carries does what `/stop` does."""
    update_id = await scene.telegram.user_says(scene.ada, "stream 500 0.05")
    message_id = scene.telegram.message_id_of(update_id)
    await eventually(lambda: _shows(scene.telegram, scene.ada, "12 "), "progress is shown")

    def pressable() -> list[SeenMessage]:
        return [one for one in scene.telegram.answers_to(message_id, scene.ada) if one.buttons]

    await eventually(pressable, "the progress carries the button")
    await scene.telegram.user_presses(pressable()[0].button("⏹ Stop"))
    await replied(scene.telegram, scene.ada, message_id, "⏹ Stopped.")


async def test_stranger_is_refused_once_and_paired_by_code(tmp_path: Path) -> None:
    """A stranger gets one refusal and then silence, until they send the pairing code."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start(forked=True)
        eve = telegram.private_chat(telegram.user(666, "Eve"))
        await told(telegram, eve, "hello", "I only work for people I know")
        for _ in range(3):
            await telegram.user_says(eve, "Please repeat token-1.")
        code = (await service.command("pair")).out.strip()
        await told(telegram, eve, code, "Paired")
        await told(telegram, eve, "Please repeat token-2.", "token-2")
        assert service.agent.ledger.starts() == {"Please repeat token-2.": 1}
        assert len([message for message in telegram.visible(eve) if message.from_bot]) == 3


async def test_poison_update_becomes_a_dead_letter_that_can_be_retried(tmp_path: Path) -> None:
    """An update whose handling fails three times holds up nobody, is listed, and can be handled again."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start("raise UpdateHandler.handle#1 3", forked=True)
        ada = telegram.private_chat(telegram.user(7))
        poison = await ask(telegram, ada, "token-poison")
        await told(telegram, ada, "Please repeat token-1.", "token-1")
        await eventually(lambda: "update_given_up" in service.log, "it is given up")
        assert "a fault of the test" in (await service.command("updates", "list")).out
        assert (await service.command("updates", "retry", "1")).code == 0
        await replied(telegram, ada, poison.message_id, "token-poison")
        assert "No dead updates" in (await service.command("updates", "list")).out
