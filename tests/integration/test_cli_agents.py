"""`wireroom agents` beside a running service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_cli import wireroom

from agent_office import running_office

pytestmark = pytest.mark.timeout(120)


async def test_agent_of_the_command_line_is_called_and_told_about(database_path: Path) -> None:
    """`agents create` has the running service call the target, with an empty object for a body, too."""
    folder = database_path.parent
    async with running_office(folder) as office:
        command = ("agents", "create", "hello", "--one-time", "-u", office.target.url, "-b", "{}", "-q", "q")
        made = await wireroom(folder, *command)
        await office.received(1)
        await office.newest_becomes("hello", "succeeded")
        (call,) = await office.calls("hello")

    assert json.loads(made.out)["jobId"] == "agent:hello:1"
    assert office.target.received[0].body == b"{}"
    assert (call["queue"], call["statusCode"]) == ("q", 200)
