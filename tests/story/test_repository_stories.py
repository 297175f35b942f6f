"""Working in a repository from a chat: choosing it, changing it, and seeing what was changed."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

_ADA = 7


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Make a repository with one commit, below the repositories' folder."""
    folder = tmp_path / "repositories" / "shop"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("shop\n")
    git = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-C", str(folder)]
    for words in ("init --quiet --initial-branch=main", "add .", "commit --quiet --message=begin"):
        subprocess.run([*git, *words.split()], check=True)
    return folder


@pytest.fixture
async def service(telegram: BotAPIServer, shop: Path, tmp_path: Path) -> AsyncIterator[Service]:
    """Run the service with the demo agent for Ada."""
    settings = Settings(
        data_dir=tmp_path / "data",
        port=0,
        bot_token=SecretStr(telegram.token),
        telegram_api_url=telegram.url,
        allowed_users=(_ADA,),
        backend="demo",
        repositories_path=shop.parent,
        chat_messages_per_second=100,
    )
    async with Service(settings) as running:
        yield running


async def _ask(telegram: BotAPIServer, chat: Chat, text: str, expected: str) -> SeenMessage:
    message_id = telegram.message_id_of(await telegram.user_says(chat, text))
    return await _replied(telegram, chat, message_id, expected)


async def _replied(telegram: BotAPIServer, chat: Chat, message_id: int, expected: str) -> SeenMessage:
    def matching() -> list[SeenMessage]:
        return [reply for reply in telegram.answers_to(message_id, chat) if expected in reply.text]

    await eventually(matching, f"a reply to {message_id} says {expected!r}", timeout_seconds=15)
    return matching()[0]


async def test_person_chooses_a_repository_and_sees_what_was_changed_there(
    service: Service, telegram: BotAPIServer, shop: Path
) -> None:
    """`/repo` lists and chooses, the next message works in that folder, `/diff` shows the change."""
    del service
    chat = telegram.private_chat(telegram.user(_ADA, "Ada"))
    await _ask(telegram, chat, "/repo", "shop")
    await _ask(telegram, chat, "/repo ../..", "There is no repository")
    await _ask(telegram, chat, "/diff", "no earlier request")
    await _ask(telegram, chat, "/repo shop", "in shop")
    written = await _ask(telegram, chat, "write hello to notes.txt", "notes.txt")
    await telegram.user_presses(written.button("📄 Diff"))
    await eventually(
        lambda: any("+hello" in one.text for one in telegram.answers_to(written.id, chat)),
        "the diff is shown",
    )
    assert (shop / "notes.txt").read_text().strip() == "hello"
    shown = await _ask(telegram, chat, "/diff", "1 file changed")
    assert "+hello" in shown.text
    assert "main" in shown.text
    await _ask(telegram, chat, "calculate 1 + 1", "2")
    await _ask(telegram, chat, "/diff", "+hello")


async def test_person_chooses_another_coding_agent(service: Service, telegram: BotAPIServer) -> None:
    """`/backend` lists what is installed, says which works now, and refuses what is not there."""
    del service
    chat = telegram.private_chat(telegram.user(_ADA, "Ada"))
    await _ask(telegram, chat, "/backend", "demo (now)")
    await _ask(telegram, chat, "/backend gpt-9000", "There is no coding agent")
    await _ask(telegram, chat, "/backend demo", "with demo")
    await _ask(telegram, chat, "calculate 2 + 2", "4")
