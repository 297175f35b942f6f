"""What the file of MCP servers may say, which servers a run gets, and what is never told of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wireroom.backends.protocol import McpServer
from wireroom.errors import BadInput, SettingsError
from wireroom.workspaces.mcp_config import (
    choose,
    read_servers,
    resolve_server,
    visible_references,
    without_secrets,
)

ENVIRONMENT = {"TOKEN": "t0ken-value", "EMPTY": "", "NUMBER": "7"}


def test_file_is_read_as_it_stands() -> None:
    """References stay references until a run needs the server."""
    entries = {"db": {"command": "x", "env": {"KEY": "${UNSET}"}}, "docs": {"url": "https://host/mcp"}}
    assert read_servers(json.dumps({"mcpServers": entries, "other": 1})) == entries


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        "{}",
        '{"mcpServers": []}',
        '{"mcpServers": {"a": []}}',
        '{"mcpServers": {"a": {}}}',
        '{"mcpServers": {"a": {"command": "x", "url": "https://host"}}}',
        '{"mcpServers": {"a": {"command": ["x"]}}}',
        '{"mcpServers": {"a": {"command": "x", "args": "y"}}}',
        '{"mcpServers": {"a": {"command": "x", "args": [1]}}}',
        '{"mcpServers": {"a": {"command": "x", "env": {"K": 1}}}}',
        '{"mcpServers": {"a": {"url": "https://host", "headers": []}}}',
        '{"mcpServers": {"a b": {"command": "x"}}}',
        '{"mcpServers": {"": {"command": "x"}}}',
    ],
)
def test_file_that_is_none_is_refused_by_the_name_of_its_variable(document: str) -> None:
    """Whoever wrote the file is told which variable names it."""
    with pytest.raises(SettingsError, match="WIREROOM_MCP_CONFIG"):
        read_servers(document)


@pytest.mark.parametrize(
    ("always", "wanted", "chosen"),
    [((), (), []), (("b",), (), ["b"]), (("b",), ("a", "b"), ["b", "a"]), ((), ("c", "c"), ["c"])],
)
def test_servers_of_the_settings_come_before_those_of_the_run(
    always: tuple[str, ...], wanted: tuple[str, ...], chosen: list[str]
) -> None:
    """Each server is chosen once."""
    assert choose(["a", "b", "c"], always, wanted) == chosen


def test_unknown_server_is_refused_with_those_that_are_known() -> None:
    """The message helps whoever mistyped a name."""
    with pytest.raises(BadInput, match=r"no MCP server x\. Known: a, b\."):
        choose(["b", "a"], ("a",), ("x",))
    with pytest.raises(BadInput, match="WIREROOM_MCP_CONFIG"):
        choose([], (), ("x",))


def test_references_are_filled_from_the_environment() -> None:
    """Everywhere that a text stands, also in the middle, and with a default for what is not set."""
    entry: dict[str, Any] = {
        "command": "run-${NUMBER}",
        "args": ["--token=${TOKEN}", "${UNSET:-fall back}", "${EMPTY:-}", "$TOKEN", "${not a name}"],
        "env": {"KEY": "${TOKEN}"},
    }
    assert resolve_server("db", entry, ENVIRONMENT).server == McpServer(
        name="db",
        command="run-7",
        args=("--token=t0ken-value", "fall back", "", "$TOKEN", "${not a name}"),
        env={"KEY": "t0ken-value"},
    )
    remote = {"url": "https://host/${NUMBER}", "headers": {"Authorization": "Bearer ${TOKEN}"}}
    assert resolve_server("docs", remote, ENVIRONMENT).server == McpServer(
        name="docs", url="https://host/7", headers={"Authorization": "Bearer t0ken-value"}
    )


@pytest.mark.parametrize("variable", ["UNSET", "EMPTY"])
def test_missing_variable_is_named(variable: str) -> None:
    """An unset or empty variable is told with its name and the server's."""
    with pytest.raises(BadInput, match=f"server db needs the variable {variable}"):
        resolve_server("db", {"command": "x", "env": {"A": f"${{{variable}}}"}}, ENVIRONMENT)


def test_secrets_are_blanked_in_what_is_told() -> None:
    """Values of the environment, and of `env` and `headers`, never appear; short ones would blank words."""
    entry = {"command": "x", "args": ["${TOKEN}", "${NUMBER}"], "env": {"A": "literal"}}
    resolved = resolve_server("db", entry, ENVIRONMENT)
    assert resolved.tellable("t0ken-value, literal and 7") == "[hidden], [hidden] and 7"


def test_references_that_a_command_line_shows_are_named() -> None:
    """In programs, arguments and addresses; variables and headers are shown to nobody."""
    servers: dict[str, dict[str, Any]] = {
        "safe": {"command": "x", "args": ["--cost=$5"], "env": {"KEY": "${TOKEN}"}},
        "far": {"url": "https://host/mcp", "headers": {"Authorization": "Bearer ${TOKEN}"}},
        "db": {"command": "x", "args": ["-v", "--key=${TOKEN}"]},
        "tool": {"command": "${HOME}/x"},
        "docs": {"url": "https://host/mcp?key=${TOKEN:-none}"},
    }
    assert visible_references(servers) == ["db.args", "tool.command", "docs.url"]


def test_secrets_are_blanked_in_quotes_too() -> None:
    """A command line may hold a secret as a quoted text."""
    assert without_secrets(r'key = "a\"b\\c", a"b\c', ['a"b\\c']) == 'key = "[hidden]", [hidden]'
