"""Buttons that people press, in a running service with its bot."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pysqlite3
import pytest

from running_service import OWNER, running_service
from wireroom.app.service import Service
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import SendMessage
from wireroom.telegram.types import InlineKeyboardButton, InlineKeyboardMarkup
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def service(database_path: Path, telegram: BotAPIServer) -> AsyncIterator[Service]:
    """Lend a running service that polls."""
    async with running_service(database_path.parent, telegram, chat_messages_per_second=100) as running:
        yield running


def _runs(database_path: Path) -> list[str]:
    with contextlib.closing(pysqlite3.connect(database_path)) as conn:
        return [row[0] for row in conn.execute("SELECT id FROM runs")]


async def _stopped(telegram: BotAPIServer, chat: Chat) -> SeenMessage:
    """Ask for something long, stop it, and return the answer with its button."""
    asked = telegram.message_id_of(await telegram.user_says(chat, "count to 100 slowly"))
    await eventually(lambda: any("3" in text for text in telegram.bot_says(chat)), "it counts")
    await telegram.user_says(chat, "/stop")
    await eventually(
        lambda: any("⏹ Stopped." in one.text for one in telegram.answers_to(asked, chat)), "it has stopped"
    )
    return telegram.answers_to(asked, chat)[0]


@pytest.mark.usefixtures("service")
async def test_try_again_pressed_twice_is_one_run(telegram: BotAPIServer, database_path: Path) -> None:
    """However often the button under an answer is pressed, the request is done again once."""
    chat = telegram.private_chat(telegram.user(OWNER, "Ada"))
    button = (await _stopped(telegram, chat)).button("🔁 Try again")
    for _ in range(2):
        await telegram.user_presses(button)
    await eventually(lambda: all(telegram.callback_answers.values()), "both are acknowledged")
    assert len(_runs(database_path)) == 2


@pytest.mark.usefixtures("service")
async def test_button_of_another_release_does_nothing(telegram: BotAPIServer, database_path: Path) -> None:
    """Button data that this release does not know starts no run."""
    chat = telegram.private_chat(telegram.user(OWNER, "Ada"))
    await _stopped(telegram, chat)
    [run_id] = _runs(database_path)
    odd = InlineKeyboardButton(text="Odd", callback_data=f"w:odd:{run_id}")
    async with aiohttp.ClientSession() as session:
        client = TelegramClient(telegram.token, session, telegram.url)
        markup = InlineKeyboardMarkup(inline_keyboard=[[odd]])
        sent = await client.call(SendMessage(chat_id=chat.id, text="x", reply_markup=markup))
    await telegram.user_presses(telegram.message(chat, sent.message_id).button("Odd"))
    await eventually(lambda: all(telegram.callback_answers.values()), "it is acknowledged")
    assert len(_runs(database_path)) == 1
