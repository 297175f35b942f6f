"""What a run changed, and the files of where it worked, through the API and on real git."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from runner_callers import SECRET, Caller, calling
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.eventually import eventually
from workspace_repositories import clone, git, make_remote

pytestmark = pytest.mark.timeout(60)
Json = dict[str, Any]


@pytest.fixture
def data_dir(database_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the data folder; git is not configured by this machine."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    return database_path.parent


@pytest.fixture
def app(data_dir: Path) -> Path:
    """Return a person's checkout."""
    return clone(make_remote(data_dir / "elsewhere"), data_dir / "repositories" / "app")


@pytest.fixture
async def caller(data_dir: Path, app: Path) -> AsyncIterator[Caller]:
    """Run the service with the demo agent, and lend a program that calls it."""
    known = Settings(
        data_dir=data_dir, port=0, webhook_secret=SecretStr(SECRET), drain_seconds=0, backend="demo"
    )
    async with Service(known) as service, calling(service) as program:
        yield program


async def begin(caller: Caller, prompt: str, **wanted: object) -> str:
    """Ask for a run, and return its id."""
    answer = await caller.post("/cursor/execute/async", {"prompt": prompt, "callbackUrl": "", **wanted})
    assert answer.status in {200, 202}, answer.body
    return str(answer.body["runId"])


async def diff_of(caller: Caller, run_id: str) -> Json:
    """Return what the run changed."""
    answer = await caller.get(f"/api/run-views/{run_id}/diff")
    assert answer.status == 200, answer.body
    body: Json = answer.body
    return body


async def test_diff_is_recorded_with_the_end(caller: Caller, app: Path) -> None:
    """What the run wrote in its worktree is shown file by file, whatever becomes of the worktree."""
    run_id = await begin(caller, "write hello to new.txt", repository="app", worktree=True)
    await caller.run_in_state(run_id, "succeeded")
    diff = await diff_of(caller, run_id)
    assert (diff["basis"], diff["branch"], diff["cut"]) == ("recorded", f"wireroom/{run_id}", False)
    (file,) = diff["files"]
    assert (file["path"], file["status"], file["insertions"]) == ("new.txt", "added", 1)
    assert file["hunks"][0]["lines"] == ["+hello"]
    shown = await caller.get("/api/files/text", params={"place": f"run:{run_id}", "path": "new.txt"})
    assert (shown.body["kind"], shown.body["lines"]) == ("text", ["hello"])


async def test_diff_of_a_run_that_works_is_what_git_sees_now(
    caller: Caller, data_dir: Path, app: Path
) -> None:
    """In a worktree since its base; in a folder of others what is not committed; nothing of it is changed."""
    own = await begin(caller, "sleep 30", repository="app", worktree=True)
    await caller.run_in_state(own, "running")
    folder = data_dir / "worktrees" / own
    # The worktree is made before the agent starts, which tells so by its first words.
    await _said(caller, own)
    (folder / "README.md").write_text("two\n")
    diff = await diff_of(caller, own)
    assert (diff["basis"], diff["base"]) == ("worktree", git(app, "rev-parse", "HEAD"))
    assert diff["files"][0]["hunks"][0]["lines"] == ["-one", "+two"]
    await caller.post(f"/api/runs/{own}/cancel")
    shared = await begin(caller, "sleep 30", repository="app")
    await _said(caller, shared)
    (app / "left.txt").write_text("left\n")
    diff = await diff_of(caller, shared)
    assert (diff["basis"], [file["path"] for file in diff["files"]]) == ("folder", ["left.txt"])
    assert git(app, "status", "--porcelain") == "?? left.txt"
    await caller.post(f"/api/runs/{shared}/cancel")
    await caller.run_in_state(shared, "cancelled")


async def test_why_there_is_no_diff_is_told(caller: Caller) -> None:
    """Nothing changed, or nothing could tell: the difference matters."""
    nothing = await begin(caller, "calculate 1 + 1", repository="app")
    await caller.run_in_state(nothing, "succeeded")
    assert (await diff_of(caller, nothing))["basis"] == "nothing"
    outside = await begin(caller, "write hello to new.txt")
    await caller.run_in_state(outside, "succeeded")
    assert (await diff_of(caller, outside))["basis"] == "no_git"


async def _said(caller: Caller, run_id: str) -> None:
    """Wait until the run's agent has begun to work."""

    async def has_begun() -> bool:
        events = (await caller.get(f"/api/runs/{run_id}/events")).body["events"]
        return any(event["kind"] == "text" for event in events)

    await eventually(has_begun, f"{run_id} has begun", timeout_seconds=20)


async def test_files_are_listed_searched_and_shown(caller: Caller, app: Path) -> None:
    """A folder at a time, in colours where the language is known; what cannot be shown is told."""
    (app / "src").mkdir()
    (app / "src" / "main.py").write_text("def main():\n    return '<b>'\n")
    (app / "blob").write_bytes(b"\0\1")
    (app / "large.txt").write_text("a" * 1_100_000)
    tree = (await caller.get("/api/files/tree", params={"place": "repositories", "path": "app"})).body
    assert [(one["path"], one["type"]) for one in tree["entries"]] == [
        ("app/src", "directory"),
        ("app/blob", "file"),
        ("app/large.txt", "file"),
        ("app/README.md", "file"),
    ]
    text = (await caller.get("/api/files/text", params=_file("app/src/main.py"))).body
    assert (text["language"], len(text["lines"])) == ("Python", 2)
    assert "&lt;b&gt;" in text["lines"][1]
    kinds = [
        (await caller.get("/api/files/text", params=_file(f"app/{name}"))).body
        for name in ("blob", "large.txt")
    ]
    assert [kind["kind"] for kind in kinds] == ["binary", "large"]
    raw = await caller.get("/api/files/raw", params=_file("app/src/main.py"))
    assert raw.body == (app / "src" / "main.py").read_text()
    hits = (await caller.get("/api/files/search", params={"place": "repositories", "words": "MAIN src"})).body
    assert hits == {"paths": ["app/src/main.py"], "more": False}


async def test_nothing_outside_is_shown(caller: Caller, data_dir: Path, app: Path) -> None:
    """Neither by a path that climbs, nor by a link, nor by a place that is not ours; secrets are hidden."""
    (app / "link").symlink_to(data_dir)
    (app / ".env").write_text("TOKEN=1")
    secret = data_dir / "api-secret"
    secret.write_text("x")
    for path, status in {
        "../api-secret": 400,
        "app/../../api-secret": 400,
        "/etc/passwd": 400,
        "app/link/api-secret": 404,
        "app/.env": 404,
        "app/.git/config": 404,
    }.items():
        for route in ("text", "raw"):
            assert (await caller.get(f"/api/files/{route}", params=_file(path))).status == status, (
                route,
                path,
            )
    run_id = await begin(caller, "calculate 1 + 1")
    await caller.run_in_state(run_id, "succeeded")
    for place, status in {"": 400, "elsewhere": 400, "run:none": 404, "conversation:none": 404}.items():
        assert (await caller.get("/api/files/tree", params={"place": place})).status == status, place
    assert (await caller.get("/api/files/tree", params={"place": f"run:{run_id}"})).status == 200


def _file(path: str) -> dict[str, str]:
    return {"place": "repositories", "path": path}
