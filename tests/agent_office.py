"""Callers of the agents' routes, against a whole service and a target of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from callback_receiver import Receiver, running_receiver
from running_service import API_SECRET, client_of, running_service
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually


@dataclass
class AgentOffice:
    """A service, a target, and a program that knows the secret."""

    service: Service
    target: Receiver
    client: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        """Call a route; return status and JSON."""
        headers = {"Authorization": f"Bearer {API_SECRET}", **options.pop("headers", {})}
        async with self.client.request(method, path, json=body, headers=headers, **options) as answer:
            assert answer.headers["Content-Type"].startswith("application/json"), await answer.text()
            return answer.status, json.loads(await answer.text())

    async def good(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call a route that must answer 200; return its JSON."""
        status, answer = await self.ask(method, path, body, **options)
        assert status == 200, answer
        return answer

    async def once(self, name: str, **fields: Any) -> Any:
        """Have the target called once."""
        return await self.good(
            "POST", "/agents", {"name": name, "targetUrl": self.target.url, "oneTime": True, **fields}
        )

    async def calls(self, name: str) -> list[dict[str, Any]]:
        """Return an agent's history, newest first."""
        found: list[dict[str, Any]] = (await self.good("GET", f"/agents/{name}/calls"))["calls"]
        return found

    async def newest_becomes(self, name: str, state: str) -> dict[str, Any]:
        """Wait until an agent's newest call is in the state; return it."""
        newest: dict[str, Any] = {}

        async def is_so() -> bool:
            nonlocal newest
            found = await self.calls(name)
            newest = found[0] if found else {}
            return newest.get("state") == state

        await eventually(is_so, f"the newest call of {name} is {state}", timeout_seconds=20)
        return newest

    async def received(self, count: int) -> None:
        """Wait until the target has so many requests."""
        await eventually(
            lambda: len(self.target.received) >= count, f"{count} requests came", timeout_seconds=30
        )


@asynccontextmanager
async def running_office(data_dir: Path, **settings: Any) -> AsyncIterator[AgentOffice]:
    """Run a service with a target beside it."""
    async with AsyncExitStack() as stack:
        target = await stack.enter_async_context(running_receiver())
        service = await stack.enter_async_context(running_service(data_dir, **settings))
        client = await stack.enter_async_context(client_of(service))
        yield AgentOffice(service, target, client)
