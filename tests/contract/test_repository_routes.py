"""The repository browser on the wire: shapes and statuses of the contract, and nothing from outside."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from contract.workspace_routes import program, workspace_routes

Client = aiohttp.ClientSession


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a repositories' folder with one repository and a secret beside it."""
    root = tmp_path / "repositories"
    (root / "app" / "src" / "deep").mkdir(parents=True)
    (root / "app" / "src" / "deep" / "b.py").write_text("b")
    (root / "app" / "src" / "a.py").write_text("print('ä')\n")
    (root / "app" / "README.md").write_text("read me")
    (root / "app" / ".env").write_text("KEY=secret")
    (root / "app" / "image.png").write_bytes(b"\x89PNG\0\0")
    (root / "app" / "large.txt").write_bytes(b"x" * (1_048_576 + 1))
    (root / "group" / "nested").mkdir(parents=True)
    (root / "group" / "nested" / "c.txt").touch()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (root / "app" / "link").symlink_to("../../outside")
    (root / "out").symlink_to("../outside")
    return root


@pytest.fixture
async def address(database_path: Path, root: Path) -> AsyncIterator[str]:
    """Serve the routes."""
    async with workspace_routes(database_path.parent, root) as (address, _):
        yield address


@pytest.fixture
async def client(address: str) -> AsyncIterator[Client]:
    """Lend a program's client."""
    async with program(address) as client:
        yield client


async def get(client: Client, path: str) -> tuple[int, Any]:
    """Ask for a path that is sent as it is, and return status and body."""
    async with client.get(URL(f"{client._base_url}".rstrip("/") + path, encoded=True)) as response:
        return response.status, await response.json()


async def test_files_of_a_repository_are_a_tree(client: Client) -> None:
    """Name, relative path, type and children; hidden names and links outside are missing."""
    status, body = await get(client, "/repositories/api/app/files")
    deep = {"name": "b.py", "path": "src/deep/b.py", "type": "file"}
    assert (status, body) == (
        200,
        [
            {
                "name": "src",
                "path": "src",
                "type": "directory",
                "children": [
                    {"name": "deep", "path": "src/deep", "type": "directory", "children": [deep]},
                    {"name": "a.py", "path": "src/a.py", "type": "file"},
                ],
            },
            {"name": "image.png", "path": "image.png", "type": "file"},
            {"name": "large.txt", "path": "large.txt", "type": "file"},
            {"name": "README.md", "path": "README.md", "type": "file"},
        ],
    )


async def test_folder_is_opened_level_by_level(client: Client) -> None:
    """The web client loads a folder without `children` by its path and a depth of one."""
    _, body = await get(client, "/repositories/api/app/files?path=src&depth=1")
    assert body == [
        {"name": "deep", "path": "src/deep", "type": "directory"},
        {"name": "a.py", "path": "src/a.py", "type": "file"},
    ]
    _, body = await get(client, "/repositories/api/app/files?depth=1")
    assert [node.get("children") for node in body] == [None] * 4


async def test_depth_that_is_none_is_refused(client: Client) -> None:
    """A depth is a number from 1 up; above 10 it is 10."""
    for depth in ("0", "-1", "x", "1.5", "%C2%B2"):
        status, body = await get(client, f"/repositories/api/app/files?depth={depth}")
        assert (depth, status, body["error"]) == (depth, 400, "depth must be a positive integer")
    assert (await get(client, "/repositories/api/app/files?depth=" + "9" * 5000))[0] == 200


async def test_truncated_listing_says_so(client: Client, root: Path) -> None:
    """A listing of more than 20,000 entries is cut, and a header tells."""
    (root / "many").mkdir()
    for number in range(20_001):
        (root / "many" / f"{number}.txt").touch()
    async with client.get("/repositories/api/many/files") as response:
        assert (len(await response.json()), response.headers["X-Wireroom-Truncated"]) == (20_000, "true")
    async with client.get("/repositories/api/app/files") as response:
        assert "X-Wireroom-Truncated" not in response.headers


async def test_repository_in_a_folder_is_named_by_its_path(client: Client) -> None:
    """A repository below a folder is reached by both names."""
    status, body = await get(client, "/repositories/api/group%2Fnested/files")
    assert (status, [node["name"] for node in body]) == (200, ["c.txt"])


OUTSIDE_NAMES = [
    ("missing", "missing"),
    ("out", "out"),
    ("..%2Foutside", "../outside"),
    ("..%2F..%2Foutside", "../../outside"),
    ("%2e%2e%2foutside", "../outside"),
    ("%252e%252e%252foutside", "%2e%2e%2foutside"),
    ("%2Fetc", "/etc"),
    ("app%2F..%2F..%2Foutside", "app/../../outside"),
    ("app%2FREADME.md", "app/README.md"),
    ("..%5Coutside", "..\\outside"),
    ("%20", " "),
]
"""What is sent, and the name that is meant."""


async def test_repository_that_is_not_there_is_not_found(client: Client) -> None:
    """Whatever leads outside is answered like a name that is not there."""
    for sent, name in OUTSIDE_NAMES:
        for route in ("files", "file?path=secret.txt"):
            status, body = await get(client, f"/repositories/api/{sent}/{route}")
            assert (status, body["success"], body["error"]) == (404, False, f"Repository '{name}' not found")
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])


async def test_name_with_nul_is_not_found(client: Client) -> None:
    """A character that no name has is no error of ours."""
    assert (await get(client, "/repositories/api/a%00b/files"))[0] == 404
    assert (await get(client, "/repositories/api/app/files?path=a%00b"))[0] == 400


OUTSIDE_PATHS = [
    ("link", 404),
    ("link/secret.txt", 404),
    (".env", 404),
    ("missing", 404),
    ("..", 400),
    ("../outside/secret.txt", 400),
    ("..%2Foutside", 400),
    ("/etc/passwd", 400),
    ("src/../../../outside", 400),
    ("%252e%252e/outside", 404),
]
"""What is sent, and the status that answers it."""


async def test_path_outside_is_refused_by_every_route(client: Client) -> None:
    """Neither a tree nor a file begins outside of the repository, or shows what is hidden."""
    for path, status in OUTSIDE_PATHS:
        for route in ("files", "file"):
            found, body = await get(client, f"/repositories/api/app/{route}?path={path}")
            assert (path, found, body["success"]) == (path, status, False)


async def test_text_file_is_shown(client: Client) -> None:
    """Path, size in bytes and content."""
    status, body = await get(client, "/repositories/api/app/file?path=src/a.py")
    expected = {"repository": "app", "path": "src/a.py", "size": 12, "content": "print('ä')\n"}
    assert (status, body) == (200, expected)


async def test_binary_and_large_files_are_refused(client: Client) -> None:
    """The status says why there is nothing to show."""
    assert (await get(client, "/repositories/api/app/file?path=image.png"))[0] == 415
    assert (await get(client, "/repositories/api/app/file?path=large.txt"))[0] == 413


async def test_working_directory_is_the_folder_of_the_repositories(client: Client) -> None:
    """Both paths list it, uncached, level by level; places outside of it are not found."""
    for prefix in ("/api", "/conversations/api"):
        path = f"{prefix}/working-directory/files"
        async with client.get(f"{path}?depth=1") as response:
            assert [node["name"] for node in await response.json()] == ["app", "group"]
            assert response.headers["Cache-Control"].startswith("no-store, no-cache, must-revalidate")
            assert (response.headers["Pragma"], response.headers["Expires"]) == ("no-cache", "0")
        _, body = await get(client, f"{path}?path=app/src&depth=1")
        assert [node["path"] for node in body] == ["app/src/deep", "app/src/a.py"]
        assert (await get(client, f"{path}?path=out"))[0] == 404


async def test_missing_working_directory_is_not_found(database_path: Path, tmp_path: Path) -> None:
    """The message names the folder."""
    missing = (tmp_path / "missing").resolve()
    async with workspace_routes(database_path.parent, missing) as (address, _), program(address) as client:
        status, body = await get(client, "/api/working-directory/files")
    assert (status, body["error"]) == (404, f"Working directory not found: {missing}")


async def test_strangers_see_no_files(address: str) -> None:
    """Without a session or the secret nothing is listed or read."""
    async with aiohttp.ClientSession(address) as stranger:
        for path in (
            "/repositories/api/app/files",
            "/repositories/api/app/file?path=README.md",
            "/api/working-directory/files",
            "/conversations/api/working-directory/files",
        ):
            assert (await get(stranger, path))[0] == 401
