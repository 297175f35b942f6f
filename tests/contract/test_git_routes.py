"""`/git/*` on the wire: shapes and statuses of the contract, on real repositories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import select

from contract.workspace_routes import program, workspace_routes
from wireroom.api.git import GitOperations
from wireroom.api.runner_relay import Operation, relayed
from wireroom.api.services import Services
from wireroom.clock import SystemClock
from wireroom.store.schema import audit
from wireroom.workspaces.workspace import Workspaces
from workspace_repositories import ENVIRONMENT, clone, commit, git, make_remote

Client = aiohttp.ClientSession
POSTS = ("clone", "checkout", "push", "pull")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of the repositories."""
    return (tmp_path / "repositories").resolve()


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """Return a bare repository."""
    return make_remote(tmp_path / "elsewhere")


@pytest.fixture
async def served(database_path: Path, root: Path) -> AsyncIterator[tuple[str, Services]]:
    """Serve the routes."""
    async with workspace_routes(database_path.parent, root) as served:
        yield served


@pytest.fixture
async def client(served: tuple[str, Services]) -> AsyncIterator[Client]:
    """Lend a program's client."""
    async with program(served[0]) as client:
        yield client


async def post(client: Client, command: str, body: Any = None, **kwargs: Any) -> tuple[int, Any]:
    """Post a JSON body, or what else is said, and return status and answer."""
    async with client.post(f"/git/{command}", **({"json": body} if body is not None else kwargs)) as response:
        return response.status, await response.json()


async def test_clone_is_answered_and_listed(client: Client, remote: Path, root: Path) -> None:
    """A clone tells its name and path; the list has remote and branch."""
    expected = {
        "success": True,
        "repository": "app",
        "path": str(root / "app"),
        "message": "Repository cloned successfully",
    }
    body = {"repositoryUrl": str(remote), "repositoryName": "app"}
    assert await post(client, "clone", body) == (200, expected)
    assert (await post(client, "clone", body))[0] == 200
    async with client.get("/git/repositories") as response:
        assert await response.json() == {
            "success": True,
            "repositories": [
                {"name": "app", "path": str(root / "app"), "remote": str(remote), "currentBranch": "main"}
            ],
            "count": 1,
        }


async def test_no_repositories_are_an_empty_list(client: Client) -> None:
    """Before the first clone there is not even a folder."""
    async with client.get("/git/repositories") as response:
        assert await response.json() == {"success": True, "repositories": [], "count": 0}


async def test_branch_is_made_pushed_and_pulled(client: Client, remote: Path, root: Path) -> None:
    """The three commands answer alike, and do what they say."""
    mine, theirs = clone(remote, root / "mine"), clone(remote, root / "theirs")
    asked = {"repository": "mine", "branch": "feature/x"}
    made = {"success": True, **asked, "message": "Created and checked out branch: feature/x"}
    assert await post(client, "checkout", asked) == (200, made)
    head = commit(mine, "a.txt", "a")
    pushed = {"success": True, **asked, "message": "Pushed branch: feature/x"}
    assert await post(client, "push", asked) == (200, pushed)
    status, pulled = await post(client, "pull", asked | {"repository": "theirs"})
    assert (status, pulled["success"], pulled["message"]) == (200, True, "Pulled branch: feature/x")
    assert git(theirs, "rev-parse", "feature/x") == head
    clone(remote, root / "third")
    commit(mine, "README.md", "two\n")
    await post(client, "push", asked)
    await post(client, "checkout", asked | {"repository": "third"})
    git(root / "third", "reset", "--quiet", "--hard", "HEAD~1")
    status, pulled = await post(client, "pull", asked | {"repository": "third"})
    assert "Fast-forward" in pulled["output"]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"data": b""},
        {
            "data": b"repository=app&branch=main",
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {"data": b"not json", "headers": {"Content-Type": "text/plain"}},
        {"json": {}},
        {"json": {"repository": 1, "branch": ["main"], "repositoryUrl": {}}},
        {"json": {"repository": "app", "branch": " "}},
    ],
    ids=["no body", "empty", "form", "text", "no fields", "wrong types", "blank"],
)
async def test_missing_fields_are_a_bad_request(client: Client, sent: dict[str, Any]) -> None:
    """A body that is absent or no JSON is one without fields, never an error of ours."""
    for command in POSTS:
        async with client.post(f"/git/{command}", **sent) as response:
            body = await response.json()
        required = "repositoryUrl is required" if command == "clone" else "repository and branch are required"
        assert (response.status, body["success"], body["error"]) == (400, False, required)


async def test_broken_json_is_a_bad_request(client: Client) -> None:
    """What says that it is JSON must be it."""
    for command in POSTS:
        status, body = await post(client, command, data=b"{", headers={"Content-Type": "application/json"})
        assert (status, body["success"], body["path"]) == (400, False, f"/git/{command}")


async def test_unknown_repository_is_not_found(client: Client, remote: Path, root: Path) -> None:
    """Names that lead outside are not found, either."""
    clone(remote, root / "app")
    for command in POSTS[1:]:
        for name in ("missing", "../elsewhere", "/etc"):
            status, body = await post(client, command, {"repository": name, "branch": "main"})
            assert (status, body["error"]) == (404, f"Repository '{name}' not found")


async def test_address_that_may_not_be_used_is_a_bad_request(client: Client) -> None:
    """Nothing that runs a program or leaves the allowed transports is tried."""
    for address in ("ext::sh -c x", "--upload-pack=x", "git://host/r", "http://169.254.169.254/r", "x y"):
        status, body = await post(client, "clone", {"repositoryUrl": address})
        assert (address, status, body["success"]) == (address, 400, False)


async def test_what_git_refuses_is_told_in_its_words(client: Client) -> None:
    """A failure of git is a 500 of the contract, with the reason and without credentials."""
    asked = {"repositoryUrl": "file://me:hunter2@localhost/missing"}
    status, body = await post(client, "clone", asked)
    assert (status, body["success"], body["path"]) == (500, False, "/git/clone")
    assert "git clone failed" in body["error"]
    assert "hunter2" not in body["error"]


async def test_name_in_use_is_a_conflict(client: Client, remote: Path, root: Path) -> None:
    """A clone never replaces what is there."""
    (root / "app").mkdir(parents=True)
    asked = {"repositoryUrl": str(remote), "repositoryName": "app"}
    assert (await post(client, "clone", asked))[0] == 409


async def test_actions_are_in_the_audit(client: Client, served: tuple[str, Services], remote: Path) -> None:
    """What was done, by whom and to what; refused actions are not."""
    await post(client, "clone", {"repositoryUrl": str(remote)})
    await post(client, "checkout", {"repository": "remote", "branch": "x"})
    await post(client, "push", {"repository": "remote", "branch": "nope"})
    query = select(audit.c.who, audit.c.action, audit.c.subject, audit.c.detail).order_by(audit.c.id)
    rows = await served[1].db.read(lambda conn: [tuple(row) for row in conn.execute(query)])
    assert rows == [
        ("program", "git.clone", "remote", None),
        ("program", "git.checkout", "remote", "x"),
    ]


async def test_strangers_run_no_git(served: tuple[str, Services], remote: Path, root: Path) -> None:
    """Without a session or the secret nothing is listed or done."""
    async with aiohttp.ClientSession(served[0]) as stranger:
        for command in POSTS:
            assert (await post(stranger, command, {"repositoryUrl": str(remote)}))[0] == 401
        async with stranger.get("/git/repositories") as response:
            assert response.status == 401


async def test_operations_are_those_that_the_front_end_relays(
    served: tuple[str, Services], remote: Path, root: Path
) -> None:
    """The older front end's paths serve the same operations: names alone in the list, failures as 502."""
    operations = GitOperations(served[1], Workspaces(served[1].settings, ENVIRONMENT, SystemClock()))
    cloned = await operations.call(Operation.CLONE, {"repositoryUrl": str(remote)})
    assert relayed(Operation.CLONE, cloned).status == 200
    found = relayed(Operation.REPOSITORIES, await operations.call(Operation.REPOSITORIES, {}))
    assert dict(found.body) == {"success": True, "repositories": ["remote"], "count": 1}
    failed = await operations.call(Operation.PULL, {"repository": "remote", "branch": "nope"})
    assert relayed(Operation.PULL, failed).status == 502
