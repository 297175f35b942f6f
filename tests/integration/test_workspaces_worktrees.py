"""A worktree for each run: made once, found again, told about, and cleaned up without losing anything."""

from __future__ import annotations

import asyncio
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.settings import Settings
from wireroom.testing.clock import ManualClock
from wireroom.workspaces.git import GitFailed
from wireroom.workspaces.git_words import Lines
from wireroom.workspaces.workspace import Workspace, Workspaces
from workspace_repositories import ENVIRONMENT, clone, commit, git, make_remote

WEEK = timedelta(days=7)


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock(datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
def rooms(tmp_path: Path, clock: ManualClock) -> Workspaces:
    """Return the workspaces of an installation."""
    settings = Settings(data_dir=tmp_path / "data", repositories_path=tmp_path / "repositories")
    return Workspaces(settings, ENVIRONMENT, clock)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Return a person's checkout of a remote."""
    return clone(make_remote(tmp_path / "elsewhere"), (tmp_path / "repositories").resolve() / "app")


@pytest.fixture
def worktrees(tmp_path: Path) -> Path:
    """Return the folder where worktrees come."""
    return tmp_path / "data" / "worktrees"


def listed(folder: Path) -> list[str]:
    """Return the worktrees in the folder."""
    return sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))


def write(folder: Path, **texts: str) -> None:
    """Write files as an agent would."""
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)


async def test_worktree_is_a_checkout_of_its_own(rooms: Workspaces, app: Path, worktrees: Path) -> None:
    """The run gets its folder and branch from the person's commit; the person's checkout stays as it is."""
    (app / "README.md").write_text("not committed\n")
    place = await rooms.prepare("run-1", "app", worktree=True)
    head = git(app, "rev-parse", "HEAD")
    assert place == Workspace(worktrees / "run-1", "wireroom/run-1", head, is_worktree=True)
    assert (place.path / "README.md").read_text() == "one\n"
    assert git(place.path, "symbolic-ref", "--short", "HEAD") == "wireroom/run-1"
    assert (git(app, "symbolic-ref", "--short", "HEAD"), (app / "README.md").read_text()) == (
        "main",
        "not committed\n",
    )


async def test_worktree_begins_at_the_branch_that_was_asked_for(rooms: Workspaces, app: Path) -> None:
    """A local branch, else the remote's, else where the checkout stands, and then a notice says so."""
    git(app, "switch", "--quiet", "--create", "local")
    local = commit(app, "local.txt", "l")
    git(app, "push", "--quiet", "origin", "local:theirs")
    git(app, "switch", "--quiet", "main")
    for run, branch, base in (
        ("run-1", "local", local),
        ("run-2", "theirs", local),
        ("run-3", "nope", git(app, "rev-parse", "main")),
    ):
        place = await rooms.prepare(run, "app", branch, worktree=True)
        assert (place.base, "no branch nope" in place.notice) == (base, branch == "nope")


async def test_worktree_is_found_again_with_its_work(rooms: Workspaces, app: Path) -> None:
    """A further attempt works where the one before left off, even if the branch it began at moved on."""
    place = await rooms.prepare("run-1", "app", "main", worktree=True)
    commit(place.path, "done.txt", "d")
    write(place.path, half="h")
    commit(app, "later.txt", "later")
    assert await rooms.prepare("run-1", "app", "main", worktree=True) == place
    assert (place.path / "half.txt").read_text() == "h"


async def test_worktree_that_a_crash_left_half_made_is_made_anew(
    rooms: Workspaces, app: Path, worktrees: Path
) -> None:
    """Killed in the middle of `git worktree add`: folder, branch and a locked record are there."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    git(app, "worktree", "lock", "--reason", "initializing", str(place.path))
    (place.path / "README.md").unlink()
    (place.path / ".git").unlink()
    (worktrees / ".runs" / "run-1").write_text(f'{{"repository": "{app}"}}')
    assert await rooms.prepare("run-1", "app", worktree=True) == place
    assert git(place.path, "status", "--porcelain") == ""


async def test_worktree_whose_folder_is_gone_comes_back_with_its_commits(
    rooms: Workspaces, app: Path
) -> None:
    """Whoever deleted the folder has not deleted the branch."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    done = commit(place.path, "done.txt", "d")
    shutil.rmtree(place.path)
    again = await rooms.prepare("run-1", "app", worktree=True)
    assert (again, git(again.path, "rev-parse", "HEAD")) == (place, done)


async def test_damaged_worktree_is_told_and_not_emptied(rooms: Workspaces, app: Path) -> None:
    """An agent that deleted `.git` loses the attempt, but nothing that it wrote."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    write(place.path, work="w")
    (place.path / ".git").unlink()
    with pytest.raises(GitFailed):
        await rooms.prepare("run-1", "app", worktree=True)
    assert (place.path / "work.txt").read_text() == "w"


async def test_folder_of_somebody_else_is_not_taken(rooms: Workspaces, app: Path, worktrees: Path) -> None:
    """A folder that happens to have the run's name is a conflict, now and when cleaning up."""
    (worktrees / "run-1").mkdir(parents=True)
    write(worktrees / "run-1", mine="m")
    with pytest.raises(Conflict):
        await rooms.prepare("run-1", "app", worktree=True)
    assert await rooms.sweep() == []
    assert (worktrees / "run-1" / "mine.txt").read_text() == "m"


async def test_worktrees_are_made_side_by_side(rooms: Workspaces, app: Path) -> None:
    """Runs that begin at the same time on one repository each get their own."""
    places = await asyncio.gather(
        *(rooms.prepare(f"run-{number}", "app", worktree=True) for number in range(5))
    )
    assert len({place.path for place in places}) == 5


@pytest.mark.parametrize(
    "run_id", ["", "..", ".", "a/b", "-x", ".hidden", "a..b", "a.lock", "a b", "a\0", "a."]
)
async def test_name_that_no_worktree_can_have_is_refused(rooms: Workspaces, app: Path, run_id: str) -> None:
    """A run's id becomes a folder and a branch, and nothing else."""
    with pytest.raises(BadInput):
        await rooms.prepare(run_id, "app", worktree=True)


async def test_run_without_worktree_works_in_the_checkout(rooms: Workspaces, app: Path) -> None:
    """The branch that was named is not checked out; where the work began is remembered."""
    git(app, "branch", "other")
    place = await rooms.prepare("run-1", "app", "other")
    assert place == Workspace(app, "main", git(app, "rev-parse", "HEAD"))


async def test_worktree_of_what_git_does_not_know_is_the_folder(rooms: Workspaces, tmp_path: Path) -> None:
    """A plain folder, and a repository without a commit, are worked in as they are; the notice says so."""
    root = tmp_path / "repositories"
    (root / "plain").mkdir(parents=True)
    (root / "empty").mkdir()
    git(root / "empty", "init", "--quiet")
    for name in ("plain", "empty", ""):
        place = await rooms.prepare("run-1", name, worktree=True)
        assert (place.path, place.base, place.is_worktree) == ((root / name).resolve(), None, False)
        assert "no git repository with a commit" in place.notice
        assert await rooms.describe(place) is None


@pytest.mark.parametrize("repository", ["missing", "../outside", "/etc", "app/README.md"])
async def test_repository_that_is_not_there_is_not_found(
    rooms: Workspaces, app: Path, repository: str
) -> None:
    """No run begins outside of the repositories' folder."""
    with pytest.raises(NotFound):
        await rooms.prepare("run-1", repository, worktree=True)


async def test_work_is_summarised_committed_or_not(rooms: Workspaces, app: Path) -> None:
    """Commits, changes, deletions and new files count; ignored ones do not; looking changes nothing."""
    commit(app, ".gitignore", "ignored.txt\n")
    commit(app, "gone.txt", "1\n2\n")
    place = await rooms.prepare("run-1", "app", worktree=True)
    commit(place.path, "committed.txt", "c\n")
    (place.path / "README.md").write_text("one\ntwo\n")
    (place.path / "gone.txt").unlink()
    (place.path / "sub").mkdir()
    write(place.path, ignored="i\n")
    write(place.path / "sub", new="n\nm\n")
    before = git(place.path, "status", "--porcelain")
    summary = await rooms.describe(place)
    assert summary is not None
    assert summary.lines == Lines(files=4, insertions=4, deletions=2)
    assert (summary.evidence.commits_ahead, summary.evidence.changed_files) == (1, 3)
    for line in ("+++ b/committed.txt", "+++ b/sub/new.txt", "+two", "deleted file mode"):
        assert line in summary.diff
    assert "ignored" not in summary.diff
    assert git(place.path, "status", "--porcelain") == before


async def test_work_in_a_plain_checkout_is_summarised(rooms: Workspaces, app: Path) -> None:
    """Without a worktree the work is what changed since the run began."""
    place = await rooms.prepare("run-1", "app")
    commit(app, "a.txt", "a\n")
    summary = await rooms.describe(place)
    assert summary is not None
    assert summary.lines == Lines(1, 1, 0)


async def test_untouched_worktree_has_no_work(rooms: Workspaces, app: Path) -> None:
    """Nothing done is nothing to tell."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    summary = await rooms.describe(place)
    assert summary is not None
    assert (summary.lines, summary.diff, summary.evidence.pushed) == (Lines(0, 0, 0), "", False)


async def test_long_diff_is_cut(rooms: Workspaces, app: Path) -> None:
    """The text of a diff is bounded, and cut between characters."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    write(place.path, large="ü" * 300_000)
    summary = await rooms.describe(place)
    assert summary is not None
    assert summary.diff_cut
    assert 199_000 < len(summary.diff.encode()) <= 200_000
    assert "\ufffd" not in summary.diff


async def test_evidence_tells_what_is_pushed(rooms: Workspaces, app: Path) -> None:
    """Pushed means that the upstream has this very commit; a commit later it is not."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    commit(place.path, "a.txt", "a")
    found = await rooms.evidence(place)
    assert found is not None
    assert (found.branch, found.upstream, found.pushed) == ("wireroom/run-1", None, False)
    git(place.path, "push", "--quiet", "--set-upstream", "origin", "wireroom/run-1")
    found = await rooms.evidence(place)
    assert found is not None
    assert (found.upstream, found.pushed, found.commits_ahead) == ("origin/wireroom/run-1", True, 1)
    head = commit(place.path, "b.txt", "b")
    found = await rooms.evidence(place)
    assert found is not None
    assert (found.head, found.pushed, found.commits_ahead) == (head, False, 2)


async def test_unused_worktree_is_removed_and_its_work_kept(
    rooms: Workspaces, app: Path, worktrees: Path, clock: ManualClock
) -> None:
    """After its days the folder goes; what was not committed is on the branch, which a retry begins from."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    commit(place.path, "done.txt", "d")
    write(place.path, left="l")
    clock.advance(WEEK - timedelta(minutes=1))
    assert await rooms.sweep() == []
    clock.advance(timedelta(minutes=2))
    assert await rooms.sweep(busy={"run-1"}) == []
    assert await rooms.sweep() == ["run-1"]
    assert listed(worktrees) == []
    assert git(app, "log", "--format=%an: %s", "-2", "wireroom/run-1").splitlines() == [
        "Wireroom: wireroom: work left by run run-1",
        "Ada: change",
    ]
    assert git(app, "worktree", "list", "--porcelain").count("worktree ") == 1
    again = await rooms.prepare("run-1", "app", worktree=True)
    assert ((again.path / "left.txt").read_text(), again.base) == ("l", place.base)


async def test_use_renews_a_worktree(rooms: Workspaces, app: Path, clock: ManualClock) -> None:
    """The days count from the last attempt."""
    await rooms.prepare("run-1", "app", worktree=True)
    clock.advance(timedelta(days=5))
    await rooms.prepare("run-1", "app", worktree=True)
    clock.advance(timedelta(days=5))
    assert await rooms.sweep() == []


async def test_commits_of_no_branch_get_one(rooms: Workspaces, app: Path, clock: ManualClock) -> None:
    """An agent that left its branch loses neither commits nor files."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    git(place.path, "switch", "--quiet", "--detach")
    commit(place.path, "loose.txt", "l")
    write(place.path, left="l")
    clock.advance(2 * WEEK)
    assert await rooms.sweep() == ["run-1"]
    (kept,) = git(app, "branch", "--list", "--format=%(refname:short)", "wireroom/run-1-*").split()
    assert git(app, "ls-tree", "--name-only", kept).split() == ["README.md", "left.txt", "loose.txt"]


async def test_worktree_that_would_lose_something_is_kept(
    rooms: Workspaces, app: Path, worktrees: Path, clock: ManualClock
) -> None:
    """One with a repository inside, a locked one and one without its repository stay; others still go."""
    for number in range(4):
        await rooms.prepare(f"run-{number}", "app", worktree=True)
    inner = worktrees / "run-0" / "inner"
    inner.mkdir()
    git(inner, "init", "--quiet")
    commit(inner, "a.txt", "a")
    git(app, "worktree", "lock", str(worktrees / "run-1"))
    (worktrees / "run-2" / ".git").write_text("gitdir: /nowhere")
    clock.advance(2 * WEEK)
    assert await rooms.sweep() == ["run-3"]
    assert listed(worktrees) == ["run-0", "run-1", "run-2"]


async def test_worktree_with_an_unreadable_marker_is_kept_and_not_told_as_removed(
    rooms: Workspaces, app: Path, worktrees: Path, clock: ManualClock
) -> None:
    """Nothing says whose it is; once people have deleted the folder, the sweep deletes the marker."""
    place = await rooms.prepare("run-1", "app", worktree=True)
    marker = worktrees / ".runs" / "run-1"
    used = marker.stat().st_mtime
    marker.write_bytes(b"")
    os.utime(marker, (used, used))
    clock.advance(2 * WEEK)
    assert await rooms.sweep() == []
    assert place.path.is_dir()
    shutil.rmtree(place.path)
    assert await rooms.sweep() == ["run-1"]
    assert not marker.exists()
    assert await rooms.sweep() == []


async def test_sweep_without_worktrees_does_nothing(rooms: Workspaces) -> None:
    """There need not be a folder."""
    assert await rooms.sweep() == []
