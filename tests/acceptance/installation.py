"""One installation under test: its data folder, its scripted agent, and its process, which may be killed.

With WIREROOM_TEST_SITE=cluster it is three web and three worker processes on PostgreSQL and Redis behind
one address, see `cluster`. Then a start starts whoever does not run, a kill kills all, as a power cut does,
and a fault is armed in all: the first process to reach it dies, and the others go on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from cluster import IS_CLUSTER, Alone, Cluster, Member, Site, kill_all, shared_by, shared_servers
from empty_database import lay_out
from forked_commands import Printed, run
from wireroom.runs.process_group import SCOPE_VARIABLE
from wireroom.testing import BotAPIServer, ScriptedAgent
from wireroom.testing.eventually import eventually

_COMMAND_SECONDS = 20.0
UNHURRIED: Mapping[str, str] = {
    "WIREROOM_CHAT_MESSAGES_PER_SECOND": "1000",
    "WIREROOM_MESSAGES_PER_SECOND": "10000",
    "WIREROOM_GROUP_MESSAGES_PER_MINUTE": "60000",
}
"""Settings that lift the flood rules, for tests that are not about pace."""


class Installation:
    """Starts, kills and restarts the service on one data folder; see `installed`."""

    def __init__(self, folder: Path, telegram: BotAPIServer, site: Site) -> None:
        self.telegram = telegram
        self.agent = ScriptedAgent(folder / "agent")
        self.data_dir = folder / "data"
        self.environment = site.environment
        self.url = site.url
        self._fault = folder / "fault"
        self._site = site

    def come_by(self, way: str) -> None:
        """Let updates come by `webhook` or by `polling` from the next start on."""
        self.environment["TELEGRAM_WEBHOOK_BASE_URL"] = self.url if way == "webhook" else ""

    @property
    def members(self) -> list[Member]:
        """Its processes, running or not."""
        return self._site.members

    @property
    def log(self) -> str:
        """What its processes have printed."""
        return "".join(member.log.read_text() for member in self.members if member.log.exists())

    async def start(self, fault: str = "", *, forked: bool = False) -> float:
        """Start what does not run; return the seconds until it listened, or died of the fault before that."""
        several = len(self.members) > 1
        self._fault.write_text(fault)
        self.environment["ACCEPTANCE_FAULT"] = str(self._fault) if fault or several else ""
        return await self._site.start(forked=forked or several, may_die=bool(fault))

    async def died(self, timeout_seconds: float = 10.0) -> None:
        """Return once a process has been killed, by its fault or by us."""
        await eventually(self._dead, "a process dies", timeout_seconds)
        assert {await member.ended(0) for member in self._dead()} <= {None, -signal.SIGKILL}

    async def kill(self) -> None:
        """Kill -9, all of it at once."""
        await kill_all(self.members)

    def tell_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        for member in self.members:
            member.send(signal.SIGTERM)

    async def stop(self, timeout_seconds: float = 30.0) -> int | None:
        """Send SIGTERM and return the exit code once it has ended: the first that is not 0."""
        self.tell_to_stop()
        codes = [await member.ended(timeout_seconds) for member in self.members]
        return next((code for code in codes if code != 0), 0)

    async def command(self, *arguments: str, **settings: str) -> Printed:
        """Run `wireroom` with these arguments beside the service."""
        return await run(arguments, {**self.environment, "COLUMNS": "200", **settings})

    def agents(self) -> list[int]:
        """Return the processes of its coding agents that run now."""
        numbers = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [int(number) for number in numbers if self._is_agent(number)]

    async def close(self) -> None:
        """End whatever of it still runs."""
        await self._site.close()
        for pid in self.agents():
            with suppress(ProcessLookupError):  # It may end between the look and the kill.
                os.kill(pid, signal.SIGKILL)

    def _dead(self) -> list[Member]:
        return [member for member in self.members if not member.is_alive()]

    def _is_agent(self, pid: str) -> bool:
        ledger = os.fsencode(self.agent.ledger.path)
        started_by_us = f"{SCOPE_VARIABLE}=".encode() in _read(f"/proc/{pid}/environ")
        return started_by_us and ledger in _read(f"/proc/{pid}/cmdline")


@asynccontextmanager
async def installed(
    folder: Path,
    telegram: BotAPIServer,
    *,
    by: str = "webhook",
    paced: bool = False,
    cluster: bool = IS_CLUSTER,
    migrated: bool = True,
    **settings: str,
) -> AsyncIterator[Installation]:
    """Lend an installation that is not started yet; people 1 to 99 may talk to it.

    Args:
        folder: Everything it writes.
        telegram: Where its chats are.
        by: `webhook` or `polling`.
        paced: Keep the flood rules of the product's defaults.
        cluster: Have several processes, whatever the variable says.
        migrated: Spare its first start the migration.
        settings: More environment variables.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "WIREROOM_DATA_DIR": str(folder / "data"),
        "WIREROOM_ALLOWED_USERS": ",".join(str(number) for number in range(1, 100)),
        "TELEGRAM_BOT_TOKEN": telegram.token,
        "TELEGRAM_API_URL": telegram.url,
        "ACCEPTANCE_AGENT": str(folder / "agent"),
        **({} if paced else UNHURRIED),
    }
    if migrated:
        lay_out(folder / "data")
    with _site(folder, {**environment, **settings}, cluster=cluster) as site:
        service = Installation(folder, telegram, site)
        service.come_by(by)
        try:
            yield service
        finally:
            await service.close()


@contextmanager
def _site(folder: Path, environment: Mapping[str, str], *, cluster: bool) -> Iterator[Site]:
    """Lend the processes that make the installation; each cluster has a database of its own."""
    if not cluster:
        yield Alone(folder, environment)
        return
    postgres, redis = shared_servers()
    redis.command("FLUSHALL")
    with postgres.database() as url:
        yield Cluster(folder, {**shared_by(url, redis), **environment})


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
