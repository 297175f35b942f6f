"""What a chat chooses: model, effort, budgets of its requests; its digest and its quiet hours."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from running_service import OWNER, running_service
from wireroom.app.service import Service
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)

_GUEST = 8
_COSTS = 0.02
_OPUS = "anthropic/claude-opus-5-5"
_OPENCODE = f"""#!{sys.executable}
import json, sys, time

def tell(kind, **part):
    print(json.dumps({{"type": kind, "sessionID": "ses_1", "part": part}}), flush=True)

options, prompt = " ".join(sys.argv[1:]), sys.stdin.read().splitlines()[0]
tell("step_start")
if prompt == "think hard":
    tell("step_finish", reason="tool-calls", cost={_COSTS}, tokens={{"input": 1, "output": 1}})
    time.sleep(2)
    tell("step_start")
tell("text", text=f"{{prompt}} with: {{options}}.")
tell("step_finish", reason="stop", cost={_COSTS}, tokens={{"input": 1, "output": 1}})
"""
"""OpenCode as far as these stories go: it repeats what it was told, and each of its steps costs the same."""


class Story:
    """Ada's chat, and a guest's; the first who paired is an owner, too."""

    def __init__(self, telegram: BotAPIServer, data_dir: Path) -> None:
        self.telegram = telegram
        self.data_dir = data_dir
        self.ada: Chat = telegram.private_chat(telegram.user(OWNER, "Ada"))
        self.first: Chat = telegram.private_chat(telegram.user(_GUEST + 1, "Flo"))
        self.guest: Chat = telegram.private_chat(telegram.user(_GUEST, "Guy"))

    def service(self) -> Any:
        """Return the service, to be begun."""
        program = self.data_dir / "opencode"
        program.write_text(_OPENCODE)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        settings: dict[str, Any] = {
            "backend": "opencode",
            "opencode_cli_path": str(program),
            "prices": json.dumps({_OPUS: {"input": 5, "output": 25}}),
            "chat_messages_per_second": 1000.0,
            "messages_per_second": 1000,
        }
        return running_service(self.data_dir, self.telegram, **settings)

    async def ask(self, words: str, expected: str, chat: Chat | None = None) -> SeenMessage:
        """Say something and return the answer once it says what is expected."""
        asked = await self.telegram.user_says(chat or self.ada, words)
        message_id = self.telegram.message_id_of(asked)

        def matching() -> list[SeenMessage]:
            replies = self.telegram.answers_to(message_id, chat or self.ada)
            return [reply for reply in replies if expected in reply.text]

        await eventually(matching, f"{words!r} is answered with {expected!r}", 15)
        return matching()[0]

    async def press(self, shown: SeenMessage, button: str, expected: str = "", times: int = 1) -> None:
        """Press a button and wait until the chat has said so often what is expected."""
        await self.telegram.user_presses(shown.button(button))
        await eventually(lambda: self.count(expected) >= times, f"the chat says {expected!r}", 15)

    def count(self, words: str) -> int:
        """Return how many of the bot's messages to Ada hold the words."""
        return sum(words in one.text for one in self.telegram.visible(self.ada) if one.from_bot)

    def rang(self) -> bool:
        """Tell whether the last message to Ada made a sound."""
        return not self.telegram.calls_of("sendMessage", self.ada)[-1].params.get("disable_notification")


@pytest.fixture
async def story(database_path: Path) -> AsyncIterator[Story]:
    """Play Telegram around a data folder; the test begins the service."""
    async with BotAPIServer() as telegram:
        yield Story(telegram, database_path.parent)


async def test_chat_chooses_model_effort_and_budget(story: Story) -> None:
    """Ada chooses by words and buttons; it counts for her chat from then on, also after a restart."""
    async with story.service() as service:
        for chat in (story.first, story.guest):
            await story.ask(f"/pair {await service.pairing_code()}", "Paired", chat)
        plain = await story.ask("hello", "hello with:")
        assert not any(flag in plain.text for flag in ("--model", "--variant"))
        shown = await story.ask("/model", "opencode is asked for its own choice")
        await story.press(shown, _OPUS, f"opencode is asked for {_OPUS}")
        await story.ask("/effort", "Choose low, medium, high or default")
        await story.ask("/effort high", "thinks with high effort")
        await story.ask("/budget", "no limits of this chat's own; spent today: $0.02")
        await story.ask("/budget 0.50 usd", "each request $0.5")
        told = await story.ask("go", "go with:")
        assert f"--model {_OPUS} --variant high" in told.text
        others = await story.ask("hi", "hi with:", story.guest)
        assert "--model" not in others.text
        assert "my owner" in (await story.ask("/budget 9 usd", "owner", story.guest)).text
        await story.ask("/model two words", "expected provider/model")
        await story.ask("/budget 5 eur", "I cannot read that")
    async with story.service():
        status = await story.ask("/status", "I'm online")
        assert f"Model: {_OPUS}, effort: high." in status.text
        assert "Budget: each request $0.5. Spent today: $0.04." in status.text
        await story.ask("/budget 0.01 usd", "each request $0.01")
        await story.ask("think hard", "Not finished, its budget of $0.01 is used up.")
        for command in ("/model default", "/effort default", "/budget default"):
            await story.ask(command, "From the next request on")
        again = await story.ask("/retry", "think hard with:")
        assert not any(flag in again.text for flag in ("--model", "--variant"))


async def test_day_that_is_used_up_is_raised_by_a_button(story: Story) -> None:
    """Beyond the day's budget nothing begins; raised for today, what was asked is taken up, once."""
    async with story.service():
        await story.ask("/budget 0.04 usd a day", "$0.04 a day")
        await story.ask("one", "one with:")
        await story.ask("two", "two with:")
        refused = await story.ask("three", "Today's budget of this chat is used up: $0.04 of $0.04")
        assert story.count("three with:") == 0
        assert all(len(data.encode()) <= 64 for data in _data(refused))
        await story.press(refused, "Raise it to $0.08 for today", "three with:")
        await story.press(refused, "Raise it to $0.08 for today")
        await story.ask("four", "four with:")
        await story.ask("five", "used up: $0.08 of $0.08")
        assert story.count("three with:") == 1
        status = await story.ask("/status", "I'm online")
        assert "$0.08 a day (raised for today). Spent today: $0.08." in status.text
        await story.ask("/retry", "used up")
        await story.ask("/budget default", "no limits")
        await story.ask("six", "six with:")


async def test_quiet_hours_silence_and_the_digest_tells_of_the_day(story: Story) -> None:
    """In quiet hours answers come at once, without a sound; the digest tells of the day at its time."""
    async with story.service() as service:
        await story.ask("one", "one with:")
        assert story.rang()
        now = datetime.now(UTC)
        begun, over = (f"{now + timedelta(hours=hours):%H:%M}" for hours in (-1, 1))
        await story.ask(f"/quiet {begun}-{over}", f"Quiet from {begun} to {over} (UTC)")
        await story.ask("two", "two with:")
        assert not story.rang()
        assert "Quiet from" in (await story.ask("/status", "I'm online")).text
        await story.ask("/quiet off", "No quiet hours")
        told = await story.ask("/digest now", "This chat: 2 requests, 2 done.")
        assert "Cost: $0.04, 0 agent minutes." in told.text
        assert story.rang()
        await story.ask("/digest 18:00 Europe/Warsaw", "Daily digest at 18:00 (Europe/Warsaw)")
        await _fall_due(service)
        await eventually(lambda: story.count("This chat: 2 requests") == 2, "the digest comes", 15)


async def _fall_due(service: Service) -> None:
    """Have the time of the digest come."""
    due = text("UPDATE chat_settings SET digest_due_at = changed_at")
    await service.services.db.write(lambda conn: conn.execute(due).rowcount)


def _data(shown: SeenMessage) -> list[str]:
    return [button.data or "" for row in shown.buttons for button in row]
