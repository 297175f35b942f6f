"""`wireroom bot` and its neighbours, without a running service: what they say and what they never say."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from test_cli import PROGRAM, wireroom

from wireroom.testing import BotAPIServer

pytestmark = pytest.mark.timeout(120)
TOKEN = "777:helper-token-that-nobody-may-read"


async def _typed(folder: Path, telegram: BotAPIServer, token: str, *arguments: str) -> tuple[int | None, str]:
    """Run `wireroom bot add` with a token on its standard input; return its code and what it said."""
    environment = {"PATH": os.defpath, "WIREROOM_DATA_DIR": str(folder), "TELEGRAM_API_URL": telegram.url}
    process = await asyncio.create_subprocess_exec(
        *PROGRAM, "bot", "add", *arguments, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(f"{token}\n".encode())
    return process.returncode, (out + err).decode()


async def test_bot_is_added_looked_at_and_removed_by_commands(database_path: Path) -> None:
    """The commands say how the bot is; its token is shown by none of them, nor is it in any file."""
    folder = database_path.parent
    async with BotAPIServer() as telegram:
        helper = await telegram.another_bot(TOKEN, "helper_bot")
        api = {"TELEGRAM_API_URL": telegram.url}
        refused = await _typed(folder, telegram, "778:mistyped", "typo")
        assert refused[0] == 1
        assert "Telegram does not know this token" in refused[1]
        added = await _typed(folder, telegram, TOKEN, "helper")
        assert added[0] == 0
        assert "helper is added, @helper_bot." in added[1]

        listed = await wireroom(folder, "bot", "list")
        looked = await wireroom(folder, "doctor", **api)
        asked = await wireroom(folder, "telegram", "webhook-info", "--bot", "helper", **api)
        paused = await wireroom(folder, "bot", "pause", "helper")
        listed_paused = await wireroom(folder, "bot", "list")
        unknown = await wireroom(folder, "bot", "resume", "nobody")
        other_key = await wireroom(
            folder, "telegram", "webhook-info", "--bot", "helper", WIREROOM_SECRETS_KEY="k" * 40, **api
        )
        removed = await wireroom(folder, "bot", "remove", "helper", **api)
        empty = await wireroom(folder, "bot", "list")
    printed = (listed, looked, asked, paused, listed_paused, unknown, other_key, removed, empty)
    assert "at work" in listed.out
    assert "Bot helper: @helper_bot" in looked.out
    assert '"pending_update_count": 0' in asked.out
    assert len(helper.calls_of("getWebhookInfo")) == 2
    assert "paused" in listed_paused.out
    assert "There is no bot nobody. Known: helper." in unknown.err
    assert "does not open with this key" in other_key.err
    assert removed.out == "helper is removed.\n"
    assert "No bots beside" in empty.out
    said = "".join(one.out + one.err for one in printed) + added[1]
    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert TOKEN.partition(":")[2] not in said
    assert TOKEN.partition(":")[2].encode() not in stored
