"""What it is like to talk to a coding agent from a chat: one story each, told from the person's side.

The service is the real one with the demo agent, which needs no model; Telegram is played by `BotAPIServer`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually


@dataclass(frozen=True, slots=True)
class Conversation:
    """Ada's chat with her bot."""

    telegram: BotAPIServer
    chat: Chat

    async def say(self, text: str) -> int:
        """Send a message and return its id."""
        return self.telegram.message_id_of(await self.telegram.user_says(self.chat, text))

    async def answer_to(self, message_id: int, expected: str) -> SeenMessage:
        """Wait for the bot's reply to say what is expected, and return it."""

        def matching() -> list[SeenMessage]:
            replies = self.telegram.answers_to(message_id, self.chat)
            return [reply for reply in replies if expected in reply.text]

        await eventually(matching, f"the answer says {expected!r}", timeout_seconds=10)
        return matching()[0]

    async def ask(self, text: str, expected: str) -> SeenMessage:
        """Send a message and wait for the expected answer."""
        return await self.answer_to(await self.say(text), expected)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def settings(telegram: BotAPIServer, tmp_path: Path) -> Settings:
    """Set up a bot that Ada, person 7, may talk to, with the demo agent behind it."""
    return Settings(
        data_dir=tmp_path / "data",
        port=0,
        bot_token=SecretStr(telegram.token),
        telegram_api_url=telegram.url,
        allowed_users=(7,),
        backend="demo",
        chat_messages_per_second=100,
    )


@pytest.fixture
async def ada(telegram: BotAPIServer, settings: Settings) -> AsyncIterator[Conversation]:
    """Open Ada's chat, with the service running."""
    async with Service(settings):
        yield Conversation(telegram, telegram.private_chat(telegram.user(7, "Ada")))


async def test_a_message_becomes_work_and_an_answer(ada: Conversation) -> None:
    """Ada writes what she wants; the agent does it in her folder and answers under her message."""
    await ada.ask("write hello world to notes.txt", "notes.txt")
    answer = await ada.ask("read notes.txt", "hello world")
    assert answer.from_bot


async def test_updates_may_be_pushed_to_a_webhook(telegram: BotAPIServer, settings: Settings) -> None:
    """With a public address Telegram pushes updates; nothing else changes."""
    async with Service(settings) as first:
        address = first.address
    port = int(address.rpartition(":")[2])
    pushed = settings.model_copy(update={"port": port, "telegram_webhook_base_url": address})
    async with Service(pushed):
        ada = Conversation(telegram, telegram.private_chat(telegram.user(7, "Ada")))
        await ada.ask("calculate 6 * 7", "42")
        assert telegram.webhook["url"] == f"{address}/telegram/webhook"


async def test_stop_ends_what_the_agent_is_doing(ada: Conversation) -> None:
    """Ada changes her mind: /stop ends the work at once, and the chat says so."""
    long = await ada.say("count to 100 slowly")
    await eventually(lambda: any("3" in text for text in ada.telegram.bot_says(ada.chat)), "it counts")
    await ada.ask("/stop", "⏹ Stopped.")
    await ada.answer_to(long, "⏹ Stopped.")


async def test_a_new_conversation_remembers_nothing(ada: Conversation) -> None:
    """The agent remembers what was asked, until Ada begins a new conversation."""
    await ada.ask("calculate 6 * 7", "42")
    await ada.ask("what did I ask before?", "calculate 6 * 7")
    await ada.ask("/new", "New conversation")
    await ada.ask("what did I ask before?", "This is your first request here.")


async def test_retry_runs_the_last_request_again(ada: Conversation) -> None:
    """/retry asks the same again, here with another result since the folder has changed."""
    await ada.ask("append one line to log.txt", "log.txt")
    await ada.ask("/retry", "log.txt")
    await ada.ask("read log.txt", "one line\none line")


async def test_buttons_below_an_answer_go_on_from_it(ada: Conversation) -> None:
    """Ada need not type: the answer offers to do it again, to go on, and to begin anew."""
    first = await ada.ask("append one line to log.txt", "log.txt")
    await ada.telegram.user_presses(first.button("🔁 Again"))
    await ada.answer_to(first.id, "log.txt")
    whole = await ada.ask("read log.txt", "one line\none line")
    await ada.telegram.user_presses(whole.button("▶️ Go on"))
    await ada.answer_to(whole.id, "demo agent")
    await ada.ask("what did I ask before?", "Go on.")
    await ada.telegram.user_presses(whole.button("🆕 New"))
    await ada.answer_to(whole.id, "New conversation")
    await ada.ask("what did I ask before?", "This is your first request here.")


async def test_go_on_below_an_answer_of_an_earlier_conversation_asks_nothing(ada: Conversation) -> None:
    """What it would go on with is out of the agent's mind, so the button says so and does nothing."""
    answer = await ada.ask("calculate 6 * 7", "42")
    await ada.ask("/new", "New conversation")
    await ada.telegram.user_presses(answer.button("▶️ Go on"))
    over = "That conversation is over."
    await eventually(lambda: over in str(ada.telegram.callback_answers), "the press is answered")
    await ada.ask("what did I ask before?", "This is your first request here.")
