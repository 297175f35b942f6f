"""The place of the chaos: a cluster, each process with its own link to the database, and what is outside."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from callback_receiver import Receiver, running_receiver
from chaos.links import Connect, Link, through
from cluster import Cluster, Member, running_cluster
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api.webhook import Redelivery
from wireroom.testing.postgres_server import PostgresServer, running_postgres
from wireroom.testing.redis_server import RedisServer, running_redis

PEOPLE = 30
_PROGRAM = Path(__file__).with_name("agent_program.py")
_SETTINGS = {
    "WIREROOM_BACKEND": "cursor",
    "WIREROOM_ALLOWED_USERS": ",".join(str(number) for number in range(1, PEOPLE + 1)),
    "WIREROOM_CHAT_MESSAGES_PER_SECOND": "1000",
    "WIREROOM_MESSAGES_PER_SECOND": "10000",
    "WIREROOM_CALLBACK_HOSTS": "127.0.0.1",
    "WIREROOM_MAX_INTERRUPTIONS": "1000",
    "WIREROOM_DRAIN_SECONDS": "5",
    "WIREROOM_RUN_SLOTS": "4",
    "WIREROOM_TASKS_AT_ONCE": "4",
    "WIREROOM_TASK_ATTEMPTS": "50",
    "WIREROOM_TASK_BACKOFF_SECONDS": "0.2",
    "WIREROOM_REQUEST_SECONDS": "5",
}
"""Kills are many here and an interruption is no failure; flood rules have tests of their own."""


@dataclass(frozen=True, slots=True)
class Site:
    """All that may fail, and all that looks on."""

    folder: Path
    cluster: Cluster
    links: dict[str, Link]
    """Each process's way to the database, by its name."""
    postgres: PostgresServer
    database_url: str
    """The database past all links, for those who look on."""
    redis: RedisServer
    telegram: BotAPIServer
    target: Receiver
    """What agents call, and where callbacks go."""

    def member(self, name: str) -> Member:
        """Return the process of this name."""
        return next(member for member in self.cluster.members if member.name == name)

    @property
    def ledger(self) -> Path:
        """What coding agents noted; see `agent_program`."""
        return self.folder / "agents" / "ledger"


@asynccontextmanager
async def running_site(folder: Path, *, webs: int = 3, workers: int = 3) -> AsyncIterator[Site]:
    """Lend a site whose processes have begun to listen; everything ends with it."""
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(running_postgres())
        # Processes connect anew while the server has not noticed the end of their old connections.
        await asyncio.to_thread(postgres.allow, connections=400)
        (folder / "redis").mkdir()
        redis = stack.enter_context(running_redis(folder / "redis"))
        # A person's request is made again by Telegram when the answer does not come.
        again = Redelivery(interval_seconds=0.2, answer_timeout_seconds=4.0)
        telegram = await stack.enter_async_context(BotAPIServer(redelivery=again, keep_calls=2_000))
        target = await stack.enter_async_context(running_receiver())
        settings = _SETTINGS | {
            "TELEGRAM_BOT_TOKEN": telegram.token,
            "TELEGRAM_API_URL": telegram.url,
            "CURSOR_CLI_PATH": str(_agent(folder / "agents")),
        }
        cluster = await stack.enter_async_context(
            running_cluster(folder, postgres, redis, webs=webs, workers=workers, **settings)
        )
        url = cluster.environment["WIREROOM_DATABASE_URL"]
        links = {}
        for member in cluster.members:
            links[member.name] = await stack.enter_async_context(Link(_way_to(postgres)))
            own = {"WIREROOM_DATABASE_URL": through(links[member.name], url)}
            member.begin({**cluster.environment, "TELEGRAM_WEBHOOK_BASE_URL": cluster.url, **own})
        stack.push_async_callback(cluster.close)
        await cluster.start()
        for member in cluster.members:
            await member.is_begun()
        yield Site(folder, cluster, links, postgres, url, redis, telegram, target)


def _agent(folder: Path) -> Path:
    """Make the coding agent's program, as Cursor's would be found."""
    (folder / "locks").mkdir(parents=True)
    program = folder / "cursor-agent"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{_PROGRAM}" "{folder}"\n')
    program.chmod(0o755)
    return program


def _way_to(postgres: PostgresServer) -> Connect:
    return lambda: asyncio.open_unix_connection(os.fspath(postgres.socket))
