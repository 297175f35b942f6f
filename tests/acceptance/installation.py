"""One installation under test: its data folder, its scripted agent, and its process, which may be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import Fork, Program, ServiceProcess, gone

from wireroom.runs.process_group import SCOPE_VARIABLE
from wireroom.testing import BotAPIServer, ScriptedAgent
from wireroom.testing.eventually import eventually

_START_SECONDS = 20.0
UNHURRIED: Mapping[str, str] = {
    "WIREROOM_CHAT_MESSAGES_PER_SECOND": "1000",
    "WIREROOM_MESSAGES_PER_SECOND": "10000",
    "WIREROOM_GROUP_MESSAGES_PER_MINUTE": "60000",
}
"""Settings that lift the flood rules, for tests that are not about pace."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command of the command line printed."""

    code: int
    out: str
    err: str


class Installation:
    """Starts, kills and restarts the service on one data folder; see `installed`."""

    def __init__(self, folder: Path, telegram: BotAPIServer, by: str, settings: Mapping[str, str]) -> None:
        self.telegram = telegram
        self.data_dir = folder / "data"
        self.agent = ScriptedAgent(folder / "agent")
        self.log = folder / "service.log"
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PORT": self.url.rpartition(":")[2],
            "WIREROOM_DATA_DIR": str(self.data_dir),
            "WIREROOM_ALLOWED_USERS": ",".join(str(number) for number in range(1, 100)),
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "ACCEPTANCE_AGENT": str(folder / "agent"),
            "ACCEPTANCE_READY": str(folder / "ready"),
            **settings,
        }
        self.come_by(by)
        self._ready = folder / "ready"
        self._process: ServiceProcess | None = None

    def come_by(self, way: str) -> None:
        """Let updates come by `webhook` or by `polling` from the next start on."""
        self.environment["TELEGRAM_WEBHOOK_BASE_URL"] = self.url if way == "webhook" else ""

    @property
    def process(self) -> ServiceProcess:
        """Its process, running or not.

        Raises:
            AssertionError: it was never started.
        """
        assert self._process is not None
        return self._process

    async def start(self, fault: str = "", *, forked: bool = False) -> float:
        """Start it and return the seconds until it listened, or until it died of the fault before that."""
        started = time.monotonic()
        self._ready.unlink(missing_ok=True)
        environment = {**self.environment, "ACCEPTANCE_FAULT": fault}
        self._process = Fork(environment, self.log) if forked else Program(environment, self.log)
        await eventually(self._is_up_or_dead, "the service listens", _START_SECONDS)
        assert self._ready.exists() or fault, f"it did not start:\n{self.log.read_text()}"
        return time.monotonic() - started

    async def died(self, timeout_seconds: float = 10.0) -> None:
        """Return once the process has been killed, by its fault or by us."""
        assert await gone(self.process, timeout_seconds) in {None, -signal.SIGKILL}

    async def kill(self) -> None:
        """Kill -9."""
        os.kill(self.process.pid, signal.SIGKILL)
        await self.died()

    def tell_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        os.kill(self.process.pid, signal.SIGTERM)

    async def stop(self, timeout_seconds: float = 30.0) -> int | None:
        """Send SIGTERM and return the exit code once it has ended."""
        self.tell_to_stop()
        return await gone(self.process, timeout_seconds)

    async def command(self, *arguments: str, **settings: str) -> Printed:
        """Run `wireroom` with these arguments beside the service."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", "from wireroom.cli.main import main; main()", *arguments),
            env={**self.environment, "COLUMNS": "200", **settings},
            stdout=PIPE,
            stderr=PIPE,
        )
        async with asyncio.timeout(_START_SECONDS):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Printed(process.returncode, out.decode(), err.decode())

    def agents(self) -> list[int]:
        """Return the processes of its coding agents that run now."""
        numbers = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [int(number) for number in numbers if self._is_agent(number)]

    async def close(self) -> None:
        """End whatever of it still runs."""
        if self._process is not None and self._process.is_alive():
            await self.kill()
        for pid in self.agents():
            os.kill(pid, signal.SIGKILL)

    def _is_up_or_dead(self) -> bool:
        return self._ready.exists() or not self.process.is_alive()

    def _is_agent(self, pid: str) -> bool:
        ledger = os.fsencode(self.agent.ledger.path)
        started_by_us = f"{SCOPE_VARIABLE}=".encode() in _read(f"/proc/{pid}/environ")
        return started_by_us and ledger in _read(f"/proc/{pid}/cmdline")


@asynccontextmanager
async def installed(
    folder: Path, telegram: BotAPIServer, *, by: str = "webhook", paced: bool = False, **settings: str
) -> AsyncIterator[Installation]:
    """Lend an installation that is not started yet; people 1 to 99 may talk to it.

    Args:
        folder: Everything it writes.
        telegram: Where its chats are.
        by: `webhook` or `polling`.
        paced: Keep the flood rules of the product's defaults.
        settings: More environment variables.
    """
    service = Installation(folder, telegram, by, {**({} if paced else UNHURRIED), **settings})
    try:
        yield service
    finally:
        await service.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
