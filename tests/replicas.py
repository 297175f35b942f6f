"""Several processes' shares of one installation on one PostgreSQL, in the test's own process: quick to start.

Nothing is shared but the database: no folder, no Redis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

SECRET = "secret-of-the-replicas"
PROOF = {"X-Webhook-Secret": SECRET}


@dataclass(frozen=True, slots=True)
class Machine:
    """Where replicas run: each has a folder of its own."""

    folder: Path
    database_url: str
    agent: ScriptedAgent
    settings: dict[str, Any]

    @asynccontextmanager
    async def running(self, role: Role, name: str) -> AsyncIterator[Service]:
        """Run one share."""
        known: dict[str, Any] = {
            "data_dir": self.folder / name,
            "database_url": self.database_url,
            "port": 0,
            "pool_size": 3,
            "webhook_secret": SECRET,
            "telegram_webhook_secret": SECRET,
            "drain_seconds": 1.0,
        }
        wanted = Settings(**{**known, **self.settings})
        async with Service(wanted, role=role, backend=ScriptedBackend(self.agent)) as service:
            yield service

    @asynccontextmanager
    async def all_running(self, role: Role, count: int) -> AsyncIterator[list[Service]]:
        """Run several, named by their number."""
        async with AsyncExitStack() as stack:
            yield [
                await stack.enter_async_context(self.running(role, f"{role}-{number}"))
                for number in range(count)
            ]


@asynccontextmanager
async def program_of(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a program that knows the secret and calls this replica."""
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(service.address, headers=PROOF, timeout=timeout) as session:
        yield session
