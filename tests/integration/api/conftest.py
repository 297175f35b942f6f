"""A whole service over a scripted agent, and the ways to call it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

Json = dict[str, Any]
BROWSER = {"Accept": "text/html,*/*;q=0.8"}
"""How a browser asks for `/`, which tells programs only that we are healthy."""


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


@pytest.fixture
async def service(database_path: Path, agent: ScriptedAgent) -> AsyncIterator[Service]:
    """Run a service on a free port of the loopback, over a database of its own."""
    settings = Settings(data_dir=database_path.parent, port=0, drain_seconds=0)
    async with Service(settings, backend=ScriptedBackend(agent)) as running:
        yield running


@pytest.fixture
async def stranger(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client without credentials; it follows no redirects of its own accord and keeps no cookies."""
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(service.address, cookie_jar=jar, headers=BROWSER) as client:
        yield client


@pytest.fixture
async def program(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client that sends the installation's secret."""
    headers = {"Authorization": f"Bearer {service.services.api_secret}"}
    async with aiohttp.ClientSession(service.address, headers=headers) as client:
        yield client


@pytest.fixture
async def page(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client with a page session, made by a login link as in a browser."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(service.address, cookie_jar=jar, headers=BROWSER) as client:
        async with client.get(await service.login_link()) as response:
            assert response.status == 200
        yield client


@pytest.fixture
def ask(program: aiohttp.ClientSession) -> Callable[..., Any]:
    """Return a function that says something in the page's chat and gives the run's id."""
    count = 0

    async def say(text: str) -> str:
        nonlocal count
        count += 1
        body = {"request_id": f"test-{count}", "text": text}
        async with program.post("/api/chat/messages", json=body) as response:
            assert response.status == 202, await response.text()
            asked: Json = await response.json()
        return str(asked["run_id"])

    return say


@pytest.fixture
def until(program: aiohttp.ClientSession) -> Callable[..., Any]:
    """Return a function that waits for a run to be in a state and gives the run."""

    async def wait(run_id: str, *states: str) -> Json:
        run: Json = {}

        async def there() -> bool:
            nonlocal run
            async with program.get(f"/api/runs/{run_id}") as response:
                run = await response.json()
            return run["state"] in states

        await eventually(there, f"{run_id} is {states}", timeout_seconds=20)
        return run

    return wait
