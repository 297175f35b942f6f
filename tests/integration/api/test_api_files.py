"""What the browser of files keeps to itself, whoever asks, on a whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from api.browsers import browser
from wireroom.api.access_rules import PageRole
from wireroom.api.auth import new_login_link
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

DATA = "own-data"
PLACE = "place=repositories&path="


@pytest.fixture
def home(database_path: Path) -> Path:
    """Return a folder with a repository, and with a data folder and an agent's file in it."""
    home = database_path.parent / "home"
    data_dir = home / DATA
    (data_dir / "scratch").mkdir(parents=True)
    database_path.rename(data_dir / database_path.name)
    (data_dir / "scratch" / "a.txt").write_text("an agent's")
    (home / "app").mkdir()
    (home / "app" / "a.txt").write_text("a person's")
    (home / "app" / "door").symlink_to(data_dir)
    return home


@pytest.fixture
async def viewer(home: Path, agent: ScriptedAgent) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a viewer's browser of a service whose data folder stands among its repositories."""
    settings = Settings(data_dir=home / DATA, repositories_path=home, port=0, drain_seconds=0)
    async with (
        Service(settings, backend=ScriptedBackend(agent)) as service,
        browser(service) as client,
    ):
        async with client.get(await new_login_link(service.services, PageRole.VIEWER)) as response:
            assert response.status == 200
        yield client


async def test_own_data_folder_is_shown_to_nobody(viewer: aiohttp.ClientSession) -> None:
    """No route leads a viewer to the secret that would make an owner of them; agents' files are shown."""
    for path, status in {
        f"/api/files/raw?{PLACE}{DATA}/api-secret": 404,
        f"/api/files/text?{PLACE}{DATA}/api-secret": 404,
        f"/api/files/raw?{PLACE}app/door/api-secret": 404,
        f"/api/files/tree?{PLACE}{DATA}": 404,
        f"/repositories/api/{DATA}/download?path=api-secret": 404,
        f"/repositories/api/{DATA}/file?path=api-secret": 404,
        f"/repositories/api/{DATA}/files": 404,
        f"/api/working-directory/files?path={DATA}": 404,
        f"/api/files/raw?{PLACE}{DATA}/scratch/a.txt": 200,
        f"/api/files/raw?{PLACE}app/a.txt": 200,
        "/repositories/api/app/download?path=a.txt": 200,
    }.items():
        async with viewer.get(path) as response:
            assert response.status == status, path
