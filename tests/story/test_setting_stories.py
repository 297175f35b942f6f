"""Switches in the chat: the owner sees and changes them, nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.intake.setting_command import OWNER_ONLY
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def service(telegram: BotAPIServer, database_path: Path) -> AsyncIterator[Service]:
    """Run a service that knows nobody yet."""
    settings = Settings(
        data_dir=database_path.parent,
        port=0,
        bot_token=SecretStr(telegram.token),
        telegram_api_url=telegram.url,
        backend="demo",
        chat_messages_per_second=100,
    )
    async with Service(settings) as running:
        yield running


def _chat(telegram: BotAPIServer, user_id: int) -> Chat:
    return telegram.private_chat(telegram.user(user_id, f"person {user_id}"))


async def _answer(telegram: BotAPIServer, chat: Chat, text: str) -> str:
    """Say something and return what is answered."""
    message_id = telegram.message_id_of(await telegram.user_says(chat, text))

    def texts() -> list[str]:
        return [reply.text for reply in telegram.answers_to(message_id, chat) if reply.text != "…"]

    await eventually(texts, f"{text} is answered", 20)
    return texts()[0]


async def test_owner_sees_and_changes_switches_in_the_chat(service: Service, telegram: BotAPIServer) -> None:
    """The first who paired lists the switches, turns one on, and is told of slips."""
    owner = _chat(telegram, 7)
    await _answer(telegram, owner, f"/pair {await service.pairing_code()}")
    listed = await _answer(telegram, owner, "/settings")
    done = await _answer(telegram, owner, "/settings task_operator on")

    assert "task_operator: off" in listed
    assert "task_operator is on" in done
    assert await service.services.system_settings.is_on("task_operator")
    assert "a switch" in await _answer(telegram, owner, "/settings debug 2")
    assert "on, off, or a number" in await _answer(telegram, owner, "/settings debug maybe")
    assert "/settings NAME on" in await _answer(telegram, owner, "/settings debug")


async def test_others_neither_see_nor_change_switches(service: Service, telegram: BotAPIServer) -> None:
    """Whoever paired later may ask for work, not for settings."""
    owner, member = _chat(telegram, 7), _chat(telegram, 8)
    for chat in (owner, member):
        await _answer(telegram, chat, f"/pair {await service.pairing_code()}")

    assert await _answer(telegram, member, "/settings") == OWNER_ONLY
    assert await _answer(telegram, member, "/settings task_operator on") == OWNER_ONLY
    assert not await service.services.system_settings.is_on("task_operator")
