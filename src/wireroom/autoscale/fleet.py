"""Real processes on this machine: one that serves programs, and workers that come and go."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import aiohttp
import msgspec

from wireroom.autoscale.gauges import Scrape
from wireroom.errors import WireroomError
from wireroom.load.own_service import end, log_tail
from wireroom.load.server_figures import counts_of

_START_SECONDS = 300.0
_STOP_SECONDS = 60.0
_SCRAPE_SECONDS = 5.0
_PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
_USUAL = {
    "HOST": "127.0.0.1",
    "PORT": "0",
    "LOG_LEVEL": "warning",
    "WIREROOM_QUEUE_LIMIT": "100000",
    "WIREROOM_IDENTITY_REQUESTS_PER_MINUTE": "0",
    "WIREROOM_ADDRESS_REQUESTS_PER_MINUTE": "0",
    "WIREROOM_POOL_SIZE": "8",
    "WIREROOM_POOL_OVERFLOW": "4",
}


class _Greeting(msgspec.Struct):
    url: str


def environment_of(
    database_url: str, data_dir: Path, *, secret: str, slots: int, drain_seconds: float
) -> dict[str, str]:
    """Return the environment of every process; nothing of ours that names state, bots or secrets."""
    return {
        **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        **_USUAL,
        "WIREROOM_DATABASE_URL": database_url,
        "WIREROOM_DATA_DIR": str(data_dir),
        "WEBHOOK_SECRET": secret,
        "WIREROOM_RUN_SLOTS": str(slots),
        "WIREROOM_DRAIN_SECONDS": f"{drain_seconds:g}",
    }


@dataclass(eq=False, slots=True)
class Member:
    """One process."""

    process: asyncio.subprocess.Process
    log: Path
    url: str = ""
    """Where it listens; empty until it does."""


class Fleet:
    """The processes; entered, it has its web process, left, everything has ended."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Prepare; agents' ledger and logs go into `folder`."""
        self._environment = dict(environment)
        self._folder = folder
        self._workers: list[Member] = []
        self._ending: list[Member] = []
        self._greetings: set[asyncio.Task[None]] = set()
        self._count = 0
        self.start_seconds: list[float] = []
        """How long each process needed until it listened, by the machine's clock."""

    async def __aenter__(self) -> Self:
        """Start the web process and wait until it listens."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_SCRAPE_SECONDS))
        self.web = await self._start("web")
        try:
            await self._greet(self.web)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End every process, in bounded time."""
        for task in self._greetings:
            task.cancel()
        members = [*self._workers, *self._ending, self.web]
        await asyncio.gather(*(end(member.process, _STOP_SECONDS) for member in members))
        await asyncio.gather(*self._greetings, return_exceptions=True)
        await self._session.close()

    @property
    def replicas(self) -> int:
        """Workers that are to stay."""
        return len(self._workers)

    @property
    def ready(self) -> int:
        """Those of them that listen."""
        return sum(bool(member.url) for member in self._workers)

    @property
    def ending(self) -> int:
        """Workers that finish what they have."""
        self._ending = [member for member in self._ending if member.process.returncode is None]
        return len(self._ending)

    async def scale(self, replicas: int) -> None:
        """Start workers, or tell the youngest to end once their agents have; waits for neither.

        Raises:
            WireroomError: a worker has ended on its own, or did not start.
        """
        await self._check()
        while len(self._workers) < replicas:
            member = await self._start("worker")
            self._workers.append(member)
            self._greetings.add(asyncio.create_task(self._greet(member), name="a worker starts"))
        while len(self._workers) > replicas:
            member = self._workers.pop()
            self._ending.append(member)
            member.process.terminate()

    async def scrapes(self) -> list[Scrape]:
        """Return what every process that listens shows; those that do not answer in time are left out."""
        urls = [member.url for member in (self.web, *self._workers, *self._ending) if member.url]
        found = await asyncio.gather(*(self._scrape(url) for url in urls))
        return [scrape for scrape in found if scrape is not None]

    async def _scrape(self, url: str) -> Scrape | None:
        try:
            async with self._session.get(f"{url}/metrics") as response:
                return counts_of(await response.text())
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _start(self, role: str) -> Member:
        self._count += 1
        log = self._folder / f"{role}-{self._count}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wireroom.testing.scripted_service"),
                *(str(self._folder / "agent"), role),
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=output,
            )
        return Member(process, log)

    async def _greet(self, member: Member) -> None:
        """Wait until the process listens, and note where."""
        if member.process.stdout is None:
            raise AssertionError("the pipe was asked for")
        began = time.monotonic()
        try:
            line = await asyncio.wait_for(member.process.stdout.readline(), _START_SECONDS)
        except TimeoutError as error:
            raise WireroomError(f"A process did not listen within {_START_SECONDS:g} s.") from error
        if line:
            member.url = msgspec.json.decode(line, type=_Greeting).url
            self.start_seconds.append(time.monotonic() - began)
        elif member not in self._ending:
            raise WireroomError(f"A process did not start:\n{await log_tail(member.log)}")

    async def _check(self) -> None:
        for task in [task for task in self._greetings if task.done()]:
            self._greetings.remove(task)
            task.result()
        for member in (self.web, *self._workers):
            if member.process.returncode is not None:
                raise WireroomError(f"A process has ended on its own:\n{await log_tail(member.log)}")
