"""Committing, pushing and asking for a pull request: only what was seen, and once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wireroom.errors import BadInput, Conflict
from wireroom.workspaces.git import Git, GitFailed
from wireroom.workspaces.git_steps import GitSteps
from wireroom.workspaces.pull_requests import GitHub, slug_of
from workspace_repositories import ENVIRONMENT, clone, commit, git, make_remote


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a checkout of a remote with one commit."""
    return clone(make_remote(tmp_path / "remote"), tmp_path / "shop")


@pytest.fixture
async def steps() -> AsyncIterator[GitSteps]:
    """Make the steps, without a token for GitHub."""
    async with aiohttp.ClientSession() as session:
        yield GitSteps(
            Git(ENVIRONMENT, timedelta(seconds=20)), GitHub(session, api_url="http://127.0.0.1:1", token="")
        )


async def test_commit_holds_what_was_seen_and_names_its_author(steps: GitSteps, folder: Path) -> None:
    """New, changed and removed files; without any configuration it is ours."""
    (folder / "new é.txt").write_text("one\ntwo\n")
    (folder / "README.md").unlink()
    index = (folder / ".git" / "index").read_bytes()
    seen = await steps.look_at_commit(folder)
    assert [(one.path, one.insertions, one.deletions) for one in seen.files] == [
        ("README.md", 0, 1),
        ("new é.txt", 2, 0),
    ]
    assert seen.branch == "main"
    assert (folder / ".git" / "index").read_bytes() == index
    name = await steps.commit(folder, "Say it better\n\nAnd longer.", seen.mark)
    assert git(folder, "log", "-1", "--format=%h %an %s") == f"{name} Wireroom Say it better"
    assert git(folder, "status", "--porcelain") == ""


async def test_commit_again_after_a_crash_is_the_same_commit(steps: GitSteps, folder: Path) -> None:
    """The job is repeated when nobody noted its end; one commit is what there is."""
    (folder / "a.txt").write_text("a\n")
    mark = (await steps.look_at_commit(folder)).mark
    assert await steps.commit(folder, "a", mark) == await steps.commit(folder, "a", mark)
    assert git(folder, "rev-list", "--count", "HEAD") == "2"


async def test_first_commit_of_a_repository_is_found_done_as_well(steps: GitSteps, tmp_path: Path) -> None:
    """Before it there is no commit to compare with."""
    folder = tmp_path / "fresh"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "a.txt").write_text("a\n")
    mark = (await steps.look_at_commit(folder)).mark
    assert await steps.commit(folder, "a", mark) == await steps.commit(folder, "a", mark)
    assert git(folder, "rev-list", "--count", "HEAD") == "1"


@pytest.mark.parametrize("change", ["another file", "another commit"])
async def test_commit_is_refused_when_something_changed_since(
    steps: GitSteps, folder: Path, change: str
) -> None:
    """What nobody has seen is not committed, and stays as it was."""
    (folder / "a.txt").write_text("a\n")
    mark = (await steps.look_at_commit(folder)).mark
    if change == "another file":
        (folder / "b.txt").write_text("b\n")
    else:
        commit(folder, "b.txt", "b\n")
    before = git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain")
    with pytest.raises(Conflict, match="changed since"):
        await steps.commit(folder, "a", mark)
    assert (git(folder, "rev-parse", "HEAD"), git(folder, "status", "--porcelain")) == before


async def test_nothing_to_commit_is_said(steps: GitSteps, folder: Path) -> None:
    """A look at a clean checkout offers nothing."""
    with pytest.raises(Conflict, match="Nothing has changed"):
        await steps.look_at_commit(folder)


async def test_repository_within_is_not_committed_as_a_link(steps: GitSteps, folder: Path) -> None:
    """Git would keep its address only, and the files would be lost to everybody else."""
    inner = folder / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    commit(inner, "a.txt", "a\n")
    with pytest.raises(Conflict, match="another repository"):
        await steps.look_at_commit(folder)


async def test_unfinished_merge_is_not_committed(steps: GitSteps, folder: Path) -> None:
    """Files with conflict marks are nothing to publish."""
    git(folder, "switch", "--quiet", "--create", "other")
    commit(folder, "README.md", "theirs\n")
    git(folder, "switch", "--quiet", "main")
    commit(folder, "README.md", "ours\n")
    with pytest.raises(Exception, match="merge"):
        git(folder, "merge", "other")
    with pytest.raises(Conflict, match="A merge is unfinished"):
        await steps.look_at_commit(folder)


async def test_push_brings_what_was_seen_and_again_changes_nothing(steps: GitSteps, folder: Path) -> None:
    """The remote has the branch; the second time, as after a crash, is no error."""
    head = commit(folder, "a.txt", "a\n", "Add a")
    seen = await steps.look_at_push(folder)
    assert (seen.branch, seen.subjects) == ("main", ("Add a",))
    for _ in range(2):
        assert await steps.push(folder, seen.mark) == "main"
    assert git(folder, "ls-remote", "origin", "refs/heads/main").split()[0] == head
    with pytest.raises(Conflict, match="already"):
        await steps.look_at_push(folder)


async def test_push_is_refused_when_the_branch_has_moved(steps: GitSteps, folder: Path) -> None:
    """A commit that nobody has seen stays here."""
    commit(folder, "a.txt", "a\n")
    mark = (await steps.look_at_push(folder)).mark
    commit(folder, "b.txt", "b\n")
    with pytest.raises(Conflict, match="moved since"):
        await steps.push(folder, mark)


async def test_push_that_the_remote_refuses_says_why(steps: GitSteps, folder: Path, tmp_path: Path) -> None:
    """The remote has gone on; nothing is forced."""
    other = clone(tmp_path / "remote" / "remote.git", tmp_path / "other")
    commit(other, "b.txt", "b\n")
    git(other, "push", "--quiet")
    commit(folder, "a.txt", "a\n")
    mark = (await steps.look_at_push(folder)).mark
    with pytest.raises(GitFailed, match="rejected"):
        await steps.push(folder, mark)


async def test_checkout_without_branch_or_remote_cannot_be_pushed(steps: GitSteps, folder: Path) -> None:
    """Both are said in words."""
    git(folder, "switch", "--quiet", "--detach")
    with pytest.raises(Conflict, match="No branch"):
        await steps.look_at_push(folder)
    git(folder, "switch", "--quiet", "main")
    git(folder, "remote", "remove", "origin")
    with pytest.raises(Conflict, match="no remote"):
        await steps.look_at_push(folder)


async def test_pull_request_needs_github_and_a_token(steps: GitSteps, folder: Path) -> None:
    """What is missing is named."""
    with pytest.raises(BadInput, match="on GitHub only"):
        await steps.look_at_pull(folder)
    git(folder, "remote", "set-url", "origin", "git@github.com:ada/shop.git")
    with pytest.raises(BadInput, match="GITHUB_TOKEN"):
        await steps.look_at_pull(folder)


async def test_answer_that_is_not_githubs_is_told_in_words() -> None:
    """A proxy's page in its place ends in a sentence, whatever its status."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/repos/ada/shop", page)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        github = GitHub(session, api_url=str(server.make_url("")), token="made-up")
        with pytest.raises(GitFailed, match="not its API's"):
            await github.default_branch("ada/shop")


@pytest.mark.parametrize(
    ("remote", "slug"),
    [
        ("https://github.com/ada/shop.git", "ada/shop"),
        ("https://x:secret@github.com/ada/shop", "ada/shop"),
        ("git@github.com:ada/shop.js.git", "ada/shop.js"),
        ("ssh://git@github.com/ada/shop/", "ada/shop"),
    ],
)
def test_repository_is_read_from_its_address(remote: str, slug: str) -> None:
    """Every way in which GitHub shows it."""
    assert slug_of(remote) == slug


@pytest.mark.parametrize(
    "remote", ["", "https://gitlab.com/ada/shop", "https://github.com.evil.example/ada/shop", "/srv/shop"]
)
def test_other_addresses_are_none_of_github(remote: str) -> None:
    """A name that only begins like it is another one."""
    with pytest.raises(BadInput):
        slug_of(remote)
