"""`wireroom settings` beside a running service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from test_cli import wireroom

from running_service import running_service
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Service]:
    """Run a service whose data folder the commands share."""
    async with running_service(database_path.parent) as running:
        yield running


async def test_setting_of_the_command_line_reaches_the_running_service(
    service: Service, database_path: Path
) -> None:
    """`settings set` is followed by a service that had read the old value; `get` prints a number."""
    folder, switches = database_path.parent, service.services.system_settings
    assert not await switches.is_on("task_operator")
    said = await wireroom(folder, "settings", "set", "task_operator", "on")

    assert (said.code, said.out) == (0, "task_operator is on.\n")
    assert (await wireroom(folder, "settings", "get", "task_operator")).out == "1\n"

    async def followed() -> bool:
        return await switches.is_on("task_operator")

    await eventually(followed, "the service follows")


async def test_settings_are_listed_for_people_and_programs(service: Service, database_path: Path) -> None:
    """The table shows values in words, `--json` gives them as they are."""
    folder = database_path.parent
    shown = await wireroom(folder, "settings", "list")
    listed = json.loads((await wireroom(folder, "settings", "list", "--json")).out)

    assert "task_operator" in shown.out
    assert " off " in shown.out
    assert {one["name"] for one in listed} >= {"debug", "task_operator"}


async def test_bad_setting_is_one_sentence(service: Service, database_path: Path) -> None:
    """What cannot be meant is said in one line, with exit code 1."""
    for arguments in (("set", "debug", "maybe"), ("get", "tsak_operator")):
        said = await wireroom(database_path.parent, "settings", *arguments)
        assert said.code == 1
        assert said.err.startswith("wireroom: ")
