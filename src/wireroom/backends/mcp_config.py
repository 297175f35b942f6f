"""The MCP servers of one run, in the words of each agent's own configuration. Pure.

Files go into the run's private folder: two runs side by side never meet, and nothing global is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wireroom.backends.protocol import AgentRequest, McpServer


def private_file(request: AgentRequest, name: str) -> Path:
    """Return the path of a configuration file of this run alone.

    Raises:
        ValueError: the request brings servers, but no folder for their configuration.
    """
    if request.private_dir is None:
        raise ValueError("a request with mcp_servers needs a private_dir")
    return request.private_dir / name


def as_file(content: Mapping[str, Any]) -> bytes:
    """Return the content of a configuration file."""
    return json.dumps(content, indent=1).encode()


def common_servers(servers: tuple[McpServer, ...]) -> dict[str, Any]:
    """Return `{"mcpServers": {...}}` as Claude Code and Cursor read it.

    Source: Claude Code documentation, "Connect Claude Code to tools via MCP"; Cursor documentation, "MCP".
    """
    return {"mcpServers": {server.name: _common(server) for server in servers}}


def gemini_servers(servers: tuple[McpServer, ...]) -> dict[str, Any]:
    """Return `{"mcpServers": {...}}` as Gemini CLI reads it; trusted, since nobody could be asked.

    Source: Gemini CLI documentation, "MCP servers with the Gemini CLI".
    """
    return {"mcpServers": {server.name: {**_gemini(server), "trust": True} for server in servers}}


def opencode_servers(servers: tuple[McpServer, ...]) -> dict[str, Any]:
    """Return `{"mcp": {...}}` as OpenCode reads it. Source: OpenCode documentation, "MCP servers"."""
    return {"mcp": {server.name: {**_opencode(server), "enabled": True} for server in servers}}


def _common(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"type": "http", "url": server.url, "headers": dict(server.headers)}
    return {"command": server.command, "args": list(server.args), "env": dict(server.env)}


def _gemini(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"httpUrl": server.url, "headers": dict(server.headers)}
    return {"command": server.command, "args": list(server.args), "env": dict(server.env)}


def _opencode(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"type": "remote", "url": server.url, "headers": dict(server.headers)}
    command = [server.command, *server.args]
    return {"type": "local", "command": command, "environment": dict(server.env)}
