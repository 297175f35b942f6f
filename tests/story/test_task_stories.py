"""Tasks from a chat: put on the board, worked through, told of, also after quiet hours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from running_service import OWNER, running_service
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def owner(telegram: BotAPIServer) -> Chat:
    """Return the owner's private chat."""
    return telegram.private_chat(telegram.user(OWNER))


async def _says(telegram: BotAPIServer, chat: Chat, *texts: str) -> None:
    """Wait until the chat has seen all of these."""

    async def seen() -> bool:
        shown = "\n".join(message.text or "" for message in telegram.visible(chat))
        return all(text in shown for text in texts)

    await eventually(seen, f"the chat shows {texts}", 20)


async def test_task_of_a_chat_runs_and_is_told_of(
    telegram: BotAPIServer, owner: Chat, database_path: Path
) -> None:
    """`/task`, `/operator on`, and the chat hears of start and end; `/tasks` shows what is open."""
    lifted: dict[str, Any] = {"chat_messages_per_second": 1000.0, "messages_per_second": 1000}
    async with running_service(database_path.parent, telegram, operator_chat=str(owner.id), **lifted):
        await telegram.user_says(owner, "/task write a haiku")
        await _says(telegram, owner, "Task 1 is on the board. The task operator is off")
        await telegram.user_says(owner, "/tasks")
        await _says(telegram, owner, "The task operator is off.", "1: write a haiku")
        await telegram.user_says(owner, "/operator on")
        await _says(
            telegram, owner, "The task operator is on.", "▶️ Task 1: write a haiku", "✅ Task 1 is complete"
        )
        await telegram.user_says(owner, "/operator")
        await _says(telegram, owner, "Tasks: 1 complete")
