"""A git worktree for each run, so that agents neither disturb people's checkouts nor each other.

A worktree stands below one folder under its run's id, on the branch `wireroom/<run id>`. Its marker, beside
it in `.runs`, says that the folder is ours, and, once it is whole, what it began with: one that a crash left
half made is made anew, a whole one is used as it is. Cleaning up commits what is left and keeps the branch:
nothing that git can keep is lost, and no folder without a marker is touched.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from wireroom.errors import BadInput, Conflict
from wireroom.workspaces.git import AUTHOR, Git, GitFailed
from wireroom.workspaces.git_words import ADDS_REPOSITORY
from wireroom.workspaces.work import evidence

_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_MARKERS = ".runs"
_log = structlog.get_logger(__name__)


class Marker(msgspec.Struct, frozen=True):
    """What a worktree began with; its file's time is the worktree's last use."""

    repository: str
    """Resolved folder of the checkout that it belongs to."""
    base: str = ""
    """The commit; empty until the worktree is whole."""
    base_branch: str | None = None
    """The branch that was asked for and found; None for where the checkout stood."""


@dataclass(frozen=True, slots=True)
class Worktree:
    """A run's own checkout."""

    path: Path
    branch: str
    base: str
    base_branch: str | None


class Worktrees:
    """The worktrees of all runs, below one folder."""

    def __init__(self, root: Path, git: Git) -> None:
        """Keep worktrees below `root`, a resolved folder that is made when needed."""
        self._root = root
        self._git = git

    async def open(
        self, repository: Path, run_id: str, base_branch: str | None, *, now: datetime
    ) -> Worktree:
        """Return the run's worktree, made now or as an earlier attempt left it.

        Args:
            repository: Resolved folder of the checkout that it belongs to.
            run_id: Letters, digits and . _ -
            base_branch: Where to begin: the local branch, else origin's; else, or when there is none, where
                the checkout stands.
            now: Aware time; the worktree counts as used.

        Raises:
            BadInput: no worktree or branch can be named so.
            Conflict: the folder belongs to something else.
            GitFailed: such as a repository without a commit, or a worktree whose `.git` was deleted.
        """
        path, branch = self._place(run_id)
        async with self._git.alone(repository):
            marker = await asyncio.to_thread(self._claim, run_id, repository, now)
            if marker.base != "" and await asyncio.to_thread(path.exists):
                await self._git.run(path, "rev-parse", "--git-dir")
            else:
                marker = await self._make(repository, path, branch, base_branch)
            await asyncio.to_thread(self._write_marker, run_id, marker, now)
        return Worktree(path, branch, marker.base, marker.base_branch)

    async def find(self, run_id: str) -> Worktree | None:
        """Return the run's worktree as it stands; None without one, or when it has been removed."""
        if not _RUN_ID.fullmatch(run_id):
            return None
        path, branch = self._place(run_id)
        marker = await asyncio.to_thread(self._read_marker, run_id)
        if marker is None or not marker.base or not await asyncio.to_thread(path.is_dir):
            return None
        return Worktree(path, branch, marker.base, marker.base_branch)

    async def sweep(self, now: datetime, keep: timedelta, busy: Collection[str] = ()) -> list[str]:
        """Remove the worktrees that were not opened for `keep`, and return their runs.

        One that cannot be removed without losing something is kept and logged.

        Args:
            now: Aware time.
            keep: How long an unused worktree stays.
            busy: Runs whose worktrees stay whatever their age.
        """
        removed = []
        for run_id in await asyncio.to_thread(self._unused_since, now - keep):
            if run_id in busy:
                continue
            try:
                await self.remove(run_id)
            except (Conflict, GitFailed, OSError) as error:
                _log.warning("worktree_kept", run_id=run_id, reason=str(error))
            else:
                removed.append(run_id)
        return removed

    async def remove(self, run_id: str) -> None:
        """Commit what is left in the worktree, then remove it; its branch stays. Harmless without one.

        Raises:
            GitFailed: it holds a repository of its own, is locked, or its repository is gone.
            Conflict: its marker cannot be read.
        """
        path, _ = self._place(run_id)
        marker = await asyncio.to_thread(self._read_marker, run_id)
        if marker is None:
            await asyncio.to_thread(self._drop_unreadable, run_id, path)
            return
        repository = Path(marker.repository)
        async with self._git.alone(repository):
            if not marker.base:
                await asyncio.to_thread(_clear, path)
            elif await asyncio.to_thread(path.exists):
                await self._commit_what_is_left(path)
                # Forced past ignored files only: everything else has been committed.
                await self._git.run(repository, "worktree", "remove", "--force", str(path))
            await asyncio.to_thread(self._marker_of(run_id).unlink, missing_ok=True)

    async def _make(self, repository: Path, path: Path, branch: str, base_branch: str | None) -> Marker:
        git = self._git
        found, start = await self._start(repository, base_branch)
        await asyncio.to_thread(_clear, path)
        # Forced past the record of a worktree that was killed while it was made: it is locked, and prune
        # leaves it alone. The branch is ours, nothing else has it checked out.
        add = ("worktree", "add", "--quiet", "--force", "--force")
        if await git.has_ref(repository, f"refs/heads/{branch}"):
            await git.run(repository, *add, str(path), branch)
        else:
            await git.run(repository, *add, "--no-track", "-b", branch, str(path), start)
        base = (await git.run(path, "merge-base", start, "HEAD")).strip()
        return Marker(str(repository), base, found)

    async def _start(self, repository: Path, base_branch: str | None) -> tuple[str | None, str]:
        """Return the branch that was found, if any, and the commit to begin with."""
        if base_branch:
            await self._git.check_branch(repository, base_branch)
            for ref in (f"refs/heads/{base_branch}", f"refs/remotes/origin/{base_branch}"):
                if await self._git.has_ref(repository, ref):
                    return base_branch, await self._commit(repository, ref)
        return None, await self._commit(repository, "HEAD")

    async def _commit(self, folder: Path, ref: str) -> str:
        return (await self._git.run(folder, "rev-parse", "--verify", f"{ref}^{{commit}}")).strip()

    async def _commit_what_is_left(self, path: Path) -> None:
        git = self._git
        if (await evidence(git, path)).changed_files:
            await git.run(path, "add", "--all")
            staged = await git.run(path, "diff", "--cached", "--raw", "--no-renames", "HEAD", "--")
            if ADDS_REPOSITORY in staged:
                raise GitFailed("It holds another repository, which git does not keep. Move that away.")
            message = f"wireroom: work left by run {path.name}"
            await git.run(path, "commit", "--quiet", "--no-verify", "--message", message, env=AUTHOR)
        found = await evidence(git, path)
        if found.branch is None and found.head is not None:
            kept = f"{self._place(path.name)[1]}-{found.head[:12]}"
            await git.run(path, "branch", "--force", kept, found.head)

    def _place(self, run_id: str) -> tuple[Path, str]:
        if not _RUN_ID.fullmatch(run_id) or run_id.endswith(".lock"):
            raise BadInput(f"{run_id!r} cannot name a worktree: letters, digits and . _ - make a name.")
        return self._root / run_id, f"wireroom/{run_id}"

    def _marker_of(self, run_id: str) -> Path:
        return self._root / _MARKERS / run_id

    def _claim(self, run_id: str, repository: Path, now: datetime) -> Marker:
        """Return the marker; a new one for a folder that is not there yet.

        Raises:
            Conflict: the folder is there and has none.
        """
        marker = self._read_marker(run_id)
        if marker is not None:
            return marker
        path, _ = self._place(run_id)
        if path.exists():
            raise Conflict(f"{path} exists already and is no worktree of ours. Move it away.")
        marker = Marker(str(repository))
        self._write_marker(run_id, marker, now)
        return marker

    def _read_marker(self, run_id: str) -> Marker | None:
        try:
            return msgspec.json.decode(self._marker_of(run_id).read_bytes(), type=Marker)
        except (OSError, msgspec.DecodeError):
            return None

    def _drop_unreadable(self, run_id: str, path: Path) -> None:
        """Delete a marker that cannot be read and has no worktree any more.

        Raises:
            Conflict: there is a worktree, and nothing says whose it is.
        """
        marker = self._marker_of(run_id)
        if path.exists() and marker.exists():
            raise Conflict(f"{marker} cannot be read. Save what you need of {path}, then delete both.")
        marker.unlink(missing_ok=True)

    def _write_marker(self, run_id: str, marker: Marker, now: datetime) -> None:
        target = self._marker_of(run_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{run_id}")
        partial.write_bytes(msgspec.json.encode(marker))
        os.utime(partial, (now.timestamp(), now.timestamp()))
        partial.replace(target)

    def _unused_since(self, limit: datetime) -> list[str]:
        """Return the runs whose worktrees were last opened before the limit."""
        try:
            markers = [entry for entry in os.scandir(self._root / _MARKERS) if _RUN_ID.fullmatch(entry.name)]
        except FileNotFoundError:
            return []
        return sorted(marker.name for marker in markers if marker.stat().st_mtime < limit.timestamp())


def _clear(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
