"""`wireroom up` as a person starts it, with one real agent, a played Telegram and a played model."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agents.programs import Program, base_environment, program_folder
from wireroom.testing import BotAPIServer, ModelEndpoint
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

_PATIENCE_SECONDS = 60.0
"""The slowest agent takes 10 s for its first start on two busy cores."""


@dataclass(frozen=True, slots=True)
class Room:
    """Ada's chat with a bot whose work a real agent does."""

    telegram: BotAPIServer
    model: ModelEndpoint
    chat: Chat
    shop: Path
    """Folder that the agent works in."""
    home: Path
    """The agent's HOME."""

    async def say(self, text: str) -> int:
        """Send a message and return its id."""
        return self.telegram.message_id_of(await self.telegram.user_says(self.chat, text))

    async def answer_to(self, message_id: int, expected: str) -> SeenMessage:
        """Wait for the bot's reply to say what is expected, and return it."""

        def matching() -> list[SeenMessage]:
            replies = self.telegram.answers_to(message_id, self.chat)
            return [reply for reply in replies if expected in reply.text]

        try:
            await eventually(matching, f"the answer says {expected!r}", timeout_seconds=_PATIENCE_SECONDS)
        except AssertionError as error:
            shown = [message.text for message in self.telegram.visible(self.chat)]
            raise AssertionError(f"{error}; the chat shows {shown}") from error
        return matching()[0]

    async def ask(self, text: str, expected: str) -> SeenMessage:
        """Send a message and wait for the expected answer."""
        return await self.answer_to(await self.say(text), expected)

    def usages(self) -> list[dict[str, Any]]:
        """Return what each run is told to have used, oldest first."""
        path = self.home.parent.parent / "data" / "wireroom.sqlite3"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT usage FROM runs ORDER BY queued_at").fetchall()
        return [json.loads(row[0]) for row in rows]

    def processes(self) -> list[str]:
        """Return the command lines of all processes that have the agent's HOME in their environment."""
        return list(self._command_lines().values())

    def pids_of(self, command: str) -> list[int]:
        """Return those of these processes whose command line begins so."""
        return [pid for pid, line in self._command_lines().items() if line.startswith(command)]

    def _command_lines(self) -> dict[int, str]:
        mark = f"HOME={self.home}".encode()
        return {
            int(entry.name): _read(entry / "cmdline").replace(b"\0", b" ").decode(errors="replace")
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and mark in _read(entry / "environ").split(b"\0")
        }


@asynccontextmanager
async def open_room(folder: Path, program: Program) -> AsyncIterator[Room]:
    """Start Wireroom with the agent; stop it at the end, and fail if it did not stop well."""
    shop, home = folder / "shop", folder / "homes" / program.name
    shop.mkdir()
    home.mkdir(parents=True)
    async with BotAPIServer() as telegram, ModelEndpoint() as model:
        environment = {
            **base_environment(program_folder()),
            **program.configure(home, model.url),
            "HOME": str(folder),
            "PORT": "0",
            "WIREROOM_DATA_DIR": str(folder / "data"),
            "WIREROOM_BACKEND": program.name,
            "WIREROOM_AGENT_HOME": str(home.parent),
            "REPOSITORIES_PATH": str(shop),
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "WIREROOM_ALLOWED_USERS": "7",
        }
        async with _running(environment, folder / "wireroom.log"):
            yield Room(telegram, model, telegram.private_chat(telegram.user(7, "Ada")), shop, home)


@asynccontextmanager
async def _running(environment: dict[str, str], log: Path) -> AsyncIterator[None]:
    command = Path(sys.executable).with_name("wireroom")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            command, "up", env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        await eventually(
            lambda: b"Telegram: " in _read(log) or process.returncode is not None,
            "Wireroom says that it is ready",
            timeout_seconds=_PATIENCE_SECONDS,
        )
        assert process.returncode is None, _read(log).decode()
        yield
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0, _read(log).decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
