"""Programs that call a running service as they called the older runner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from cluster import IS_CLUSTER
from clustered_service import clustered
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

SECRET = "secret-of-the-test"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that sends the same headers with every call."""

    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, json: object = None, **options: Any) -> Answer:
        """Make a call and decode what comes back."""
        async with self.session.request(method, path, json=json, **options) as response:
            is_json = response.content_type == "application/json"
            body = await (response.json() if is_json else response.text())
            return Answer(response.status, body, response.headers)

    async def get(self, path: str, **options: Any) -> Answer:
        """GET."""
        return await self.call("GET", path, **options)

    async def post(self, path: str, json: object = None, **options: Any) -> Answer:
        """POST."""
        return await self.call("POST", path, json, **options)

    async def run_in_state(self, run_id: str, *states: str) -> Json:
        """Wait until the run is in one of the states, and return it."""
        run: Json = {}

        async def there() -> bool:
            nonlocal run
            run = (await self.get(f"/api/runs/{run_id}")).body
            return run["state"] in states

        await eventually(there, f"{run_id} is {states}", timeout_seconds=20)
        return run


@asynccontextmanager
async def runner_service(
    data_dir: Path, agent: ScriptedAgent, *, script: str | None = None, **settings: Any
) -> AsyncIterator[Service]:
    """Run a service over the scripted agent, on a migrated file; `settings` by field name.

    With a `script`, the agent follows that whatever it is asked.
    """
    known: Json = {"data_dir": data_dir, "port": 0, "webhook_secret": SECRET, "drain_seconds": 0}
    wanted, backend = Settings(**{**known, **settings}), ScriptedBackend(agent, script)
    async with (
        clustered(wanted, agent, script) if IS_CLUSTER else Service(wanted, backend=backend) as service
    ):
        yield service


@asynccontextmanager
async def calling(
    service: Service, headers: Mapping[str, str] | None = None, *, secret: str | None = SECRET
) -> AsyncIterator[Caller]:
    """Lend a program; with `secret=None` one that proves nothing."""
    proof = {"X-Webhook-Secret": secret} if secret else {}
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(
        service.address, headers={**proof, **(headers or {})}, timeout=timeout
    ) as session:
        yield Caller(session)
