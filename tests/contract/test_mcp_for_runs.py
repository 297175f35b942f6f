"""A run whose agent is given Wireroom's own tools, and what it can do with them."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import SecretStr

from contract.mcp_clients import Tools
from wireroom.app.service import Service
from wireroom.backends.protocol import AgentRequest, Command, McpServer
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

pytestmark = pytest.mark.timeout(60)
_SECRET = "the-installation's-own-secret"
_HEADERS = {"X-Webhook-Secret": _SECRET}


class _Recording(ScriptedBackend):
    """Remembers what each call was given."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        super().__init__(ScriptedAgent(folder))
        self.requests: list[AgentRequest] = []

    def command(self, request: AgentRequest) -> Command:
        """Return the process, and remember the request."""
        self.requests.append(request)
        return super().command(request)


def _settings(data_dir: Path, **more: object) -> Settings:
    known: dict[str, object] = {"data_dir": data_dir, "port": 0, "webhook_secret": SecretStr(_SECRET)}
    return Settings.model_validate({**known, **more})


async def _given(service: Service, backend: _Recording, **wishes: object) -> tuple[McpServer, ...]:
    """Run something and return the servers that its agent was given."""
    async with (
        aiohttp.ClientSession(service.address, headers=_HEADERS) as program,
        program.post("/cursor/execute", json={"prompt": "say hello", **wishes}) as response,
    ):
        assert (await response.json())["success"], await response.text()
    return backend.requests[-1].mcp_servers


async def test_run_is_given_our_tools_and_can_use_them(database_path: Path, tmp_path: Path) -> None:
    """With WIREROOM_MCP_SERVERS=wireroom an agent gets our address and a token, and they work."""
    backend = _Recording(tmp_path / "agent")
    settings = _settings(database_path.parent, mcp_servers=("wireroom",))
    async with Service(settings, backend=backend) as service:
        (server,) = await _given(service, backend)
        async with (
            httpx2.AsyncClient(headers=dict(server.headers), timeout=20) as http,
            Client(streamable_http_client(server.url, http_client=http)) as client,
        ):
            made = await Tools(client).call("create_task", prompt="found while working", status="backlogged")
        async with (
            aiohttp.ClientSession(service.address, headers=_HEADERS) as program,
            program.get("/api/tasks") as response,
        ):
            tasks = await response.json()
        assert (server.name, server.url) == ("wireroom", f"{service.address}/mcp")

    assert not made.is_error, made.text
    assert [task["prompt"] for task in tasks] == ["found while working"]


async def test_installations_secret_is_not_what_agents_are_given(database_path: Path, tmp_path: Path) -> None:
    """The token is another one, so the secret stands in no agent's configuration."""
    backend = _Recording(tmp_path / "agent")
    async with Service(_settings(database_path.parent), backend=backend) as service:
        (server,) = await _given(service, backend, mcpServers=["wireroom"])
        assert await _given(service, backend) == ()

    assert _SECRET not in json.dumps(dict(server.headers))


async def test_server_of_the_file_takes_our_place(database_path: Path, tmp_path: Path) -> None:
    """An entry named wireroom in WIREROOM_MCP_CONFIG is used instead of ours."""
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"wireroom": {"url": "http://elsewhere/mcp"}}}))
    backend = _Recording(tmp_path / "agent")
    settings = _settings(database_path.parent, mcp_config=file, mcp_servers=("wireroom",))
    async with Service(settings, backend=backend) as service:
        (server,) = await _given(service, backend)

    assert (server.url, dict(server.headers)) == ("http://elsewhere/mcp", {})
