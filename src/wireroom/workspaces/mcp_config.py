"""Which MCP servers a run's agent gets, and what the file of them says. Pure.

The file: `{"mcpServers": {"db": {"command": "mcp-db", "args": ["--path", "x"], "env": {"KEY": "${DB_KEY}"}},
"docs": {"url": "https://host/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}}}}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wireroom.backends.protocol import McpServer
from wireroom.errors import BadInput, SettingsError

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_SHORTEST_SECRET = 4


@dataclass(frozen=True, slots=True)
class Resolved:
    """A server with its references replaced, and what must not be told of it."""

    server: McpServer
    secrets: tuple[str, ...]
    """Values that came from the environment, or stand in `env` and `headers`."""

    def tellable(self, text: str) -> str:
        """Return the text with the secrets blanked; values of under 4 characters hide nothing."""
        return without_secrets(text, self.secrets)


def without_secrets(text: str, secrets: Collection[str]) -> str:
    """Return the text with the secrets blanked, as they are or quoted; those of under 4 characters stay."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            quoted = json.dumps(secret, ensure_ascii=False)[1:-1]
            text = text.replace(quoted, "[hidden]").replace(secret, "[hidden]")
    return text


def read_servers(text: str) -> dict[str, Mapping[str, Any]]:
    """Return the servers of the file by name, as they stand there.

    Raises:
        SettingsError: the text is not such a file; the message says where.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"WIREROOM_MCP_CONFIG: the file is no JSON ({error}).") from error
    servers = document.get("mcpServers") if isinstance(document, dict) else None
    if not isinstance(servers, dict):
        raise SettingsError("WIREROOM_MCP_CONFIG: the file has no object `mcpServers`.")
    for name, entry in servers.items():
        _check(name, entry)
    return servers


def visible_references(servers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the fields of servers in which a reference is no secret any more once it is filled, `db.args`.

    Everybody on the machine can see a process's command line: a server's own, and Codex's, which has the
    addresses of servers, too.
    """
    return [
        f"{name}.{field}"
        for name, entry in servers.items()
        for field, texts in (
            ("command", [entry.get("command", "")]),
            ("args", entry.get("args", [])),
            ("url", [entry.get("url", "")]),
        )
        if any(_REFERENCE.search(text) for text in texts)
    ]


def choose(known: Iterable[str], always: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return the names of the servers for a run, each once: those of the settings, then those of the run.

    Raises:
        BadInput: a name is not known; the message lists those that are.
    """
    names, chosen = list(known), list(dict.fromkeys((*always, *wanted)))
    unknown = [name for name in chosen if name not in names]
    if unknown:
        listed = ", ".join(sorted(names)) or "none; see WIREROOM_MCP_CONFIG"
        raise BadInput(f"There is no MCP server {', '.join(unknown)}. Known: {listed}.")
    return chosen


def resolve_server(name: str, entry: Mapping[str, Any], environment: Mapping[str, str]) -> Resolved:
    """Return the server with `${NAME}` replaced by that variable; `${NAME:-else}` has a default.

    Raises:
        BadInput: a variable is not set; the message names it and the server.
    """
    used: list[str] = []

    def fill(text: str) -> str:
        def value(found: re.Match[str]) -> str:
            variable, default = found[1], found[2]
            given = environment.get(variable) or default
            if given is None:
                raise BadInput(f"The MCP server {name} needs the variable {variable}, which is not set.")
            used.append(given)
            return given

        return _REFERENCE.sub(value, text)

    server = McpServer(
        name=name,
        command=fill(entry.get("command", "")),
        args=tuple(fill(word) for word in entry.get("args", ())),
        env=_filled(entry, "env", fill),
        url=fill(entry.get("url", "")),
        headers=_filled(entry, "headers", fill),
    )
    return Resolved(server, tuple({*used, *server.env.values(), *server.headers.values()}))


def _filled(entry: Mapping[str, Any], field: str, fill: Callable[[str], str]) -> dict[str, str]:
    return {key: fill(value) for key, value in entry.get(field, {}).items()}


def _check(name: str, entry: Any) -> None:
    """Let an entry pass that has a program or an address, and only texts where texts belong."""
    where = f"WIREROOM_MCP_CONFIG: the server {name!r}"
    if not _NAME.fullmatch(name):
        raise SettingsError(f"{where} has a name that is not made of letters, digits and . _ -")
    if not isinstance(entry, dict) or bool(entry.get("command")) == bool(entry.get("url")):
        raise SettingsError(f"{where} needs either a `command` or a `url`.")
    texts = [entry.get("command", ""), entry.get("url", "")]
    args = entry.get("args", [])
    if not isinstance(args, list) or not all(isinstance(text, str) for text in [*texts, *args]):
        raise SettingsError(f"{where}: `command` and `url` are texts, `args` is a list of texts.")
    for field in ("env", "headers"):
        values = entry.get(field, {})
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise SettingsError(f"{where}: `{field}` is an object of texts.")
