"""What `wireroom doctor` says of back ends that work by a setting of their own, and of agents' tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from wireroom.doctor.installation import look_at_mcp_servers
from wireroom.doctor.neighbours import look_at_agent
from wireroom.settings import Settings


@pytest.mark.parametrize(
    ("settings", "fine", "said"),
    [
        ({"backend": "acp"}, False, "WIREROOM_ACP_COMMAND is not set"),
        ({"backend": "acp", "acp_command": "no-such-agent acp"}, False, "no-such-agent is not installed"),
        ({"backend": "acp", "acp_command": "sh -c true"}, True, "acp, /"),
        ({"backend": "remote"}, False, "CURSOR_RUNNER_URL is not set"),
        ({"backend": "remote", "cursor_runner_url": "http://runner:3001"}, True, "http://runner:3001"),
    ],
)
def test_doctor_names_the_setting_that_is_missing(settings: dict[str, Any], fine: bool, said: str) -> None:
    """A back end without its setting is found before a run needs it."""
    finding = look_at_agent(Settings(**settings), os.environ)
    assert (finding.ok, said in finding.text) == (fine, True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"mcpServers": {"db": {"command": "x", "args": ["--key=${KEY}"]}}}', "db.args of "),
        ('{"mcpServers": {"db": {"command": "x", "env": {"KEY": "${KEY}"}}}}', None),
        ("{", "no JSON"),
    ],
)
def test_doctor_names_servers_that_show_what_they_refer_to(
    tmp_path: Path, content: str, said: str | None
) -> None:
    """A secret on a command line is found before a run shows it; a file that is none, too."""
    config = tmp_path / "mcp.json"
    config.write_text(content)
    found = [finding.text for finding in look_at_mcp_servers(Settings(mcp_config=config))]
    assert len(found) == (0 if said is None else 1)
    assert all(said is not None and said in text for text in found)
