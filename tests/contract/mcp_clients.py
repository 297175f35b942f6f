"""The official MCP client, connected in each way in which agents connect to Wireroom."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from forked_stdio import door
from wireroom.app.service import Service
from wireroom.mcp.door import token_for_agents

PROGRAM = [sys.executable, "-c", "from wireroom.cli.main import main; main()"]
WAYS = ("stdio", "stdio, older protocol", "http", "http, older protocol")


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool answered."""

    is_error: bool
    text: str

    @property
    def json(self) -> Any:
        """The text, decoded."""
        return json.loads(self.text)


class Tools:
    """A connected client."""

    def __init__(self, client: Client) -> None:
        """Use this client."""
        self.client = client

    async def call(self, tool: str, /, **arguments: Any) -> Told:
        """Call a tool; its answer is one item of text."""
        result = await self.client.call_tool(tool, arguments)
        (item,) = result.content
        assert item.type == "text"
        return Told(bool(result.is_error), item.text)


@asynccontextmanager
async def connected(way: str, service: Service, data_dir: Path, **variables: str) -> AsyncIterator[Tools]:
    """Connect to the service, or to a process beside it that has the same data folder.

    The process is forked from one that has imported everything; in the way `program` it is started.
    """
    mode = "legacy" if "older" in way else "auto"
    if way.startswith("http"):
        headers = {"Authorization": f"Bearer {token_for_agents(service.services.api_secret)}"}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=30) as http,
            Client(
                streamable_http_client(f"{service.address}/mcp", http_client=http),
                mode=mode,
                read_timeout_seconds=30,
            ) as client,
        ):
            yield Tools(client)
        return
    command = PROGRAM if way == "program" else door()
    async with Client(
        _stdio_server(command, data_dir, **variables), mode=mode, read_timeout_seconds=30
    ) as client:
        yield Tools(client)


def _stdio_server(command: list[str], data_dir: Path, **variables: str) -> StdioServerParameters:
    """Return how the server over standard input and output is started."""
    return StdioServerParameters(
        command=command[0],
        args=[*command[1:], "mcp"],
        env={
            "PATH": os.defpath,
            "HOME": str(data_dir),
            "WIREROOM_DATA_DIR": str(data_dir),
            "WIREROOM_BACKEND": "demo",
            **variables,
        },
    )
