"""The scripts folder: where it is, that it is never in a repository, what is listed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from test_cli import wireroom

from running_service import API_SECRET, running_service
from wireroom.app.service import Service
from wireroom.backends.protocol import AgentRequest, Command
from wireroom.errors import SettingsError
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend
from wireroom.workspaces.scripts import (
    MOST_LISTED,
    instructions,
    list_scripts,
    make_scripts_folder,
    scripts_folder,
)

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize(
    ("named", "folder"),
    [
        pytest.param({}, "/d/scripts", id="in the data folder"),
        pytest.param({"target_app_path": Path("/cursor")}, "/cursor/scripts", id="beside the repositories"),
        pytest.param(
            {"target_app_path": Path("/cursor"), "scripts_path": Path("/s")}, "/s", id="where it is named"
        ),
    ],
)
def test_scripts_folder_is_found_by_the_older_rules(named: dict[str, Any], folder: str) -> None:
    """SCRIPTS_PATH wins over TARGET_APP_PATH, which wins over the data folder."""
    assert scripts_folder(Settings(data_dir=Path("/d"), **named)) == Path(folder)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param("", "Put one-off scripts into /s, never into a repository.", id="by default"),
        pytest.param("Speak Latin. Scripts: {scripts}", "Speak Latin. Scripts: /s", id="own words"),
        pytest.param("off", "", id="switched off"),
    ],
)
def test_agents_are_told_where_scripts_go(said: str, told: str) -> None:
    """The setting replaces what agents are told, or switches it off."""
    assert instructions(Settings(scripts_path=Path("/s"), instructions=said)) == told


@pytest.mark.parametrize("below", [".", "tools/scripts"])
def test_folder_in_a_repository_is_refused(tmp_path: Path, below: str) -> None:
    """A scripts folder that is a repository, or lies in one, stops the start; beside them it is made."""
    repository = tmp_path / "repositories" / "app"
    (repository / ".git").mkdir(parents=True)
    with pytest.raises(SettingsError, match="SCRIPTS_PATH"):
        make_scripts_folder(repository / below, tmp_path / "repositories")
    make_scripts_folder(tmp_path / "repositories" / "scripts", tmp_path / "repositories")

    assert (tmp_path / "repositories" / "scripts").is_dir()


def test_folder_behind_a_link_into_a_repository_is_refused(tmp_path: Path) -> None:
    """A link does not hide where the folder is."""
    repository = tmp_path / "repositories" / "app"
    (repository / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to(repository)
    with pytest.raises(SettingsError, match="SCRIPTS_PATH"):
        make_scripts_folder(tmp_path / "link" / "scripts", tmp_path / "repositories")


def test_folder_that_cannot_be_made_names_its_setting(tmp_path: Path) -> None:
    """A file in the way is told with the variable's name."""
    (tmp_path / "scripts").write_text("")
    with pytest.raises(SettingsError, match="SCRIPTS_PATH"):
        make_scripts_folder(tmp_path / "scripts", tmp_path / "repositories")


def test_scripts_are_listed_with_bounds_and_without_links(tmp_path: Path) -> None:
    """Files below are listed by name; links are not followed, and a flood is cut."""
    folder = tmp_path / "scripts"
    (folder / "b" / "c").mkdir(parents=True)
    for name in ("a.py", "b/c/d.sh"):
        (folder / name).write_text("echo")
        os.utime(folder / name, (1, 2))
    (folder / "passwords").symlink_to("/etc/passwd")
    (folder / "outside").symlink_to("/etc")
    listed = list_scripts(folder)

    assert [(one.name, one.size_bytes, one.modified_ms) for one in listed] == [
        ("a.py", 4, 2000),
        ("b/c/d.sh", 4, 2000),
    ]
    for number in range(MOST_LISTED):
        (folder / f"z{number}").touch()
    assert len(list_scripts(folder)) == MOST_LISTED
    assert list_scripts(tmp_path / "missing") == []


async def test_service_makes_the_folder_and_lists_it(database_path: Path, tmp_path: Path) -> None:
    """The folder is there once the service is; the route and the command show what agents left in it."""
    folder = tmp_path / "made" / "scripts"
    async with running_service(database_path.parent, scripts_path=folder) as service:
        assert folder.is_dir()
        (folder / "once.py").write_text("print()")
        headers = {"Authorization": f"Bearer {API_SECRET}"}
        async with (
            aiohttp.ClientSession(service.address, headers=headers) as program,
            program.get("/api/scripts") as response,
        ):
            listed = await response.json()
        async with (
            aiohttp.ClientSession(service.address) as stranger,
            stranger.get("/api/scripts") as response,
        ):
            assert response.status == 401
    shown = await wireroom(database_path.parent, "scripts", "list", SCRIPTS_PATH=str(folder))

    assert listed["folder"] == str(folder)
    assert [one["name"] for one in listed["scripts"]] == ["once.py"]
    assert listed["pagination"]["total"] == 1
    assert "once.py" in shown.out
    assert str(folder) in shown.out


class _Recording(ScriptedBackend):
    """Remembers what each call was given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(ScriptedAgent(folder))
        self.requests: list[AgentRequest] = []

    def command(self, request: AgentRequest) -> Command:
        """Return the process, and remember the request."""
        self.requests.append(request)
        return super().command(request)


@pytest.mark.parametrize(("said", "told"), [("", "Put one-off scripts into "), ("off", "")])
async def test_agents_of_runs_are_told_unless_it_is_switched_off(
    database_path: Path, tmp_path: Path, said: str, told: str
) -> None:
    """What a run's agent is asked carries the installation's words; the stored prompt does not."""
    backend = _Recording(tmp_path / "agent")
    settings = Settings(data_dir=database_path.parent, port=0, instructions=said)
    async with Service(settings, backend=backend) as service:
        headers = {"X-Webhook-Secret": service.services.api_secret}
        async with (
            aiohttp.ClientSession(service.address, headers=headers) as program,
            program.post("/cursor/execute", json={"prompt": "say hello"}) as response,
        ):
            assert (await response.json())["success"]
    (request,) = backend.requests

    assert request.prompt == "say hello"
    assert request.instructions.startswith(told)
    assert bool(request.instructions) is bool(told)
