"""MCP servers on Codex's command line, without their secrets. Pure.

Codex reads further configuration only from its own folder, where sessions and log-in live too. So a run's
servers stand in one `-c` option, which anybody may see in `ps`. The values of variables and headers, which
may be secret, are in the environment, which nobody else may see, and the option only names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from wireroom.backends.protocol import McpServer
from wireroom.errors import BadInput


def codex_servers(
    servers: tuple[McpServer, ...], environment: Mapping[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Return the options for the command line, and the variables to add to the environment.

    Source: Codex configuration reference, `mcp_servers`.

    Raises:
        BadInput: a server's variable has another value in Codex's own environment, or for another server.
    """
    if not servers:
        return [], {}
    added: dict[str, str] = {}
    tables = [_table(server, number, environment, added) for number, server in enumerate(servers)]
    return ["-c", f"mcp_servers={{{', '.join(tables)}}}"], added


def _table(server: McpServer, number: int, environment: Mapping[str, str], added: dict[str, str]) -> str:
    if server.url:
        names = {header: f"WIREROOM_MCP_{number}_{place}" for place, header in enumerate(server.headers)}
        added.update({names[header]: value for header, value in server.headers.items()})
        headers = ", ".join(f"{_text(header)} = {_text(name)}" for header, name in names.items())
        fields = {"url": _text(server.url), "env_http_headers": f"{{{headers}}}"}
    else:
        _add(server, environment, added)
        fields = {
            "command": _text(server.command),
            "args": _texts(server.args),
            "env_vars": _texts(server.env),
        }
    # Without it Codex asks about each call of a tool, and nobody could answer.
    fields["default_tools_approval_mode"] = _text("approve")
    inner = ", ".join(f"{name} = {value}" for name, value in fields.items())
    return f"{_text(server.name)} = {{{inner}}}"


def _add(server: McpServer, environment: Mapping[str, str], added: dict[str, str]) -> None:
    for name, value in server.env.items():
        if {**environment, **added}.get(name, value) != value:
            raise BadInput(
                f"Codex hands on variables by their name, and {name} of the MCP server {server.name!r} has"
                " another value already; give it another name"
            )
        added[name] = value


def _texts(values: Iterable[str]) -> str:
    return f"[{', '.join(_text(value) for value in values)}]"


def _text(value: str) -> str:
    """Return a TOML basic string; JSON's escapes are among TOML's as long as nothing is a surrogate."""
    return json.dumps(value, ensure_ascii=False)
