"""What `wireroom doctor` says of back ends that work by a setting of their own."""

from __future__ import annotations

from typing import Any

import pytest

from wireroom.cli.doctor import _agent
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
    finding = _agent(Settings(**settings))
    assert (finding.ok, said in finding.text) == (fine, True)
