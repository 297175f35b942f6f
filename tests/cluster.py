"""Several processes of the service on one PostgreSQL and one Redis, behind one address, as on Kubernetes.

    async with running_cluster(folder, postgres, redis, TELEGRAM_BOT_TOKEN=...) as cluster:
        await cluster.start()
        await cluster.workers[0].kill()
        await cluster.workers[0].start()

Each member is a real process with a port and a log of its own; all share the data folder, as pods share a
volume. Members are killed, frozen and stopped one by one, by their own process id.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from balancer import Balancer
from processes import Fork, Program, ServiceProcess, gone
from wireroom.app.roles import Role
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port
from wireroom.testing.postgres_server import PostgresServer, running_postgres
from wireroom.testing.redis_server import RedisServer, running_redis

IS_CLUSTER = os.environ.get("WIREROOM_TEST_SITE") == "cluster"
"""Whether tests of the whole service are to run on clusters."""
API_SECRET = "api-secret-of-the-cluster"
WEBHOOK_SECRET = "webhook-secret-of-the-cluster"
START_SECONDS = 40.0
_GONE_SECONDS = 30.0
_MODULES = ("wireroom.store.postgres", "wireroom.jobs.procrastinate", "redis.asyncio")
SURROUNDINGS: Mapping[str, str] = {
    "WIREROOM_POOL_SIZE": "5",
    "WIREROOM_POOL_OVERFLOW": "5",
    "WIREROOM_CALLBACK_HOSTS": "127.0.0.1",
}
"""So that six members stay within PostgreSQL's hundred connections, and may call the test's receivers."""


@dataclass(slots=True)
class Member:
    """One process of the service; it may die and be started again."""

    name: str
    role: Role
    folder: Path
    """Where its log and its signs are."""
    port: int
    environment: dict[str, str] = field(default_factory=dict, init=False)
    """What it was last started with."""
    process: ServiceProcess | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        """What it printed, over all its lives."""
        return self.folder / f"{self.name}.log"

    @property
    def url(self) -> str:
        """Its own address, past the balancer."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process.

        Raises:
            AssertionError: it was never started.
        """
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    def is_alive(self) -> bool:
        """Return whether it runs, listens or not."""
        return self.process is not None and self.process.is_alive()

    def begin(self, environment: Mapping[str, str] | None = None, *, forked: bool = True) -> None:
        """Start its process and do not wait.

        Args:
            environment: All of its environment but for port, role and signs; by default as the last time.
            forked: Spare Python's imports, see `processes.Fork`; else as a process manager would.
        """
        assert not self.is_alive(), f"{self.name} runs"
        self._ready.unlink(missing_ok=True)
        self.environment = {
            **(self.environment if environment is None else environment),
            "PORT": str(self.port),
            "ACCEPTANCE_ROLE": self.role,
            "ACCEPTANCE_READY": str(self._ready),
        }
        if forked:
            modules = _MODULES if "WIREROOM_DATABASE_URL" in self.environment else ()
            self.process = Fork(self.environment, self.log, modules)
        else:
            self.process = Program(self.environment, self.log)

    def is_up(self) -> bool:
        """Return whether it has begun to listen since it was started."""
        return self._ready.exists()

    async def is_begun(self, *, may_die: bool = False) -> None:
        """Return once it listens, or has died before that.

        Raises:
            AssertionError: it died, and nobody said that it might.
        """
        await eventually(lambda: self.is_up() or not self.is_alive(), f"{self.name} listens", START_SECONDS)
        assert self.is_up() or may_die, f"{self.name} did not start:\n{self.log.read_text()}"

    async def start(self, *, forked: bool = True) -> None:
        """Start it once more and return once it listens."""
        self.begin(forked=forked)
        await self.is_begun()

    async def died(self, timeout_seconds: float = 10.0) -> None:
        """Return once it has been killed, by its fault or by us."""
        assert await self.ended(timeout_seconds) in {None, -signal.SIGKILL}

    async def ended(self, timeout_seconds: float = _GONE_SECONDS) -> int | None:
        """Return its exit code once it has ended; None, or the signal's number below 0, for a kill."""
        assert self.process is not None, f"{self.name} was never started"
        return await gone(self.process, timeout_seconds)

    async def kill(self) -> None:
        """Kill -9."""
        self.send(signal.SIGKILL)
        await self.died()

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does; the machine it runs on went to sleep."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, as if no time had passed."""
        self.send(signal.SIGCONT)

    async def stop(self, timeout_seconds: float = _GONE_SECONDS) -> int | None:
        """Send SIGTERM; return the exit code once it has ended."""
        self.send(signal.SIGTERM)
        return await self.ended(timeout_seconds)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, not to its agents."""
        os.kill(self.pid, number)

    @property
    def _ready(self) -> Path:
        return self.folder / f"{self.name}.ready"


class Site:
    """Processes that make one installation, with one address; `start` starts whoever does not run."""

    def __init__(self, environment: Mapping[str, str], url: str, members: Sequence[Member]) -> None:
        self.environment = {**environment, "PORT": url.rpartition(":")[2]}
        """What each member gets at its next start, beside a port and a role of its own."""
        self.url = url
        self.members = list(members)

    async def start(self, *, forked: bool = True, may_die: bool = False) -> float:
        """Start all who do not run; return the seconds until each of them listened, or died if it may."""
        started = time.monotonic()
        begun = [member for member in self.members if not member.is_alive()]
        for member in begun:
            member.begin(self.environment, forked=forked)
        for member in begun:
            await member.is_begun(may_die=may_die)
        return time.monotonic() - started

    async def close(self) -> None:
        """Kill whoever runs, frozen or not."""
        await kill_all(self.members)


class Alone(Site):
    """One process that does everything."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        member = Member("service", Role.ALL, folder, free_port())
        super().__init__(environment, member.url, [member])


class Cluster(Site):
    """Web and worker processes behind one balancer."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        *,
        webs: int = 3,
        workers: int = 3,
        more_webs: Sequence[int] = (),
    ) -> None:
        """Take the ports; nothing runs yet.

        Args:
            folder: Logs and signs.
            environment: What each member gets; PORT and the role are each member's own.
            webs: How many take requests.
            workers: How many work jobs and run agents.
            more_webs: Ports of webs that somebody else runs.
        """
        self.webs = _members(folder, Role.WEB, webs)
        self.workers = _members(folder, Role.WORKER, workers)
        self._balancer = Balancer([*(member.port for member in self.webs), *more_webs])
        super().__init__(environment, self._balancer.url, [*self.webs, *self.workers])

    async def start(self, *, forked: bool = True, may_die: bool = False) -> float:
        """Start the address, and all who do not run; see `Site.start`."""
        await self._balancer.start()
        return await super().start(forked=forked, may_die=may_die)

    async def close(self) -> None:
        """Kill whoever runs, and free the address."""
        await super().close()
        await self._balancer.close()


def _members(folder: Path, role: Role, count: int) -> list[Member]:
    return [Member(f"{role}-{number}", role, folder, free_port()) for number in range(1, count + 1)]


async def kill_all(members: Iterable[Member]) -> None:
    """Kill -9 whoever runs, all at once, as a power cut does."""
    alive = [member for member in members if member.is_alive()]
    for member in alive:
        member.send(signal.SIGKILL)
    await asyncio.gather(*(member.died() for member in alive))


@asynccontextmanager
async def running_cluster(
    folder: Path,
    postgres: PostgresServer,
    redis: RedisServer,
    *,
    webs: int = 3,
    workers: int = 3,
    **settings: str,
) -> AsyncIterator[Cluster]:
    """Lend a cluster that is not started yet, on a new database; its processes are killed at the end.

    Args:
        folder: Everything it writes: `data`, the scripted agent's `agent`, logs.
        postgres: See `wireroom.testing.postgres_server`.
        redis: See `wireroom.testing.redis_server`.
        webs: Web processes.
        workers: Worker processes.
        settings: More environment variables.
    """
    with postgres.database() as database_url:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "WIREROOM_DATA_DIR": str(folder / "data"),
            "ACCEPTANCE_AGENT": str(folder / "agent"),
            "ACCEPTANCE_FAULT": "",
            **shared_by(database_url, redis),
            **settings,
        }
        cluster = Cluster(folder, environment, webs=webs, workers=workers)
        try:
            yield cluster
        finally:
            await cluster.close()


def shared_by(database_url: str, redis: RedisServer) -> dict[str, str]:
    """Return the settings that make processes one installation."""
    return {
        "WIREROOM_DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "WEBHOOK_SECRET": API_SECRET,
        "TELEGRAM_WEBHOOK_SECRET": WEBHOOK_SECRET,
        **SURROUNDINGS,
    }


@functools.cache
def shared_servers() -> tuple[PostgresServer, RedisServer]:
    """Return the servers of this test session, started once and stopped with it."""
    stack = ExitStack()
    atexit.register(stack.close)
    postgres = stack.enter_context(running_postgres())
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wireroom-redis-"))
    return postgres, stack.enter_context(running_redis(Path(folder)))
