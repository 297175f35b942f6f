"""Where a run works and what it did there: the one door to this package for runs and routes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from wireroom.cache.cache import Cache
from wireroom.clock import Clock
from wireroom.errors import NotFound
from wireroom.settings import Settings
from wireroom.workspaces.confine import resolve_inside
from wireroom.workspaces.git import Git
from wireroom.workspaces.kept_trees import Trees
from wireroom.workspaces.repositories import Repositories
from wireroom.workspaces.work import Evidence, WorkSummary, evidence, summarise
from wireroom.workspaces.worktrees import Worktrees


@dataclass(frozen=True, slots=True)
class Workspace:
    """A run's folder; plain values, so that it can be stored with the run."""

    path: Path
    branch: str | None
    """The branch that is checked out there; None outside of git, before the first commit, or without one."""
    base: str | None
    """The commit that the work begins with; None outside of git or before the first commit."""
    is_worktree: bool = False
    """It is the run's own, so nobody else works in it."""
    notice: str = ""
    """What is not as it was asked for, for people; else empty."""


class Workspaces:
    """The repositories' folder and the runs' worktrees of this installation."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        clock: Clock,
        cache: Cache | None = None,
    ) -> None:
        """Serve the folders that the settings name.

        Args:
            settings: Name the folders.
            environment: Ours; git sees a part of it.
            clock: The service's.
            cache: Where trees of files are kept; without one they are read each time.
        """
        data_dir = settings.data_dir.resolve()
        self.root = settings.repositories_root
        """Folder of the repositories; need not exist."""
        self.git = Git(environment, timedelta(milliseconds=settings.git_timeout_ms))
        self.repositories = Repositories(self.root, self.git)
        self.trees = Trees(cache or Cache.off())
        worktrees = (settings.worktrees_path or data_dir / "worktrees").resolve()
        self._worktrees = Worktrees(worktrees, self.git)
        self._open_to_people = (self.root, data_dir / "scratch", worktrees)
        self._own_data = data_dir
        self._agents_data = tuple(place for place in self._open_to_people if _is_below(place, data_dir))
        self._keep = timedelta(days=settings.worktree_days)
        self._clock = clock

    async def prepare(
        self, run_id: str, repository: str, branch: str | None = None, *, worktree: bool = False
    ) -> Workspace:
        """Return where the run works; the same again for a further attempt of the run.

        Args:
            run_id: The run.
            repository: Folder below the root, as a caller names it; empty for the root itself.
            branch: Where a worktree begins; a person's checkout is never switched by a run.
            worktree: Give the run a checkout of its own. Where git cannot, it works in the folder itself, and
                the notice says so.

        Raises:
            NotFound: there is no such repository.
            BadInput: no branch can have that name.
            GitFailed: git could not make the worktree.
        """
        folder = await asyncio.to_thread(self._folder, repository)
        place = await self._place(folder)
        if not worktree:
            return place
        if place.base is None:
            why = f"{repository or 'The repositories folder'} is no git repository with a commit"
            return Workspace(
                folder, place.branch, None, notice=f"{why}: the agent works in the folder itself."
            )
        made = await self._worktrees.open(folder, run_id, branch, now=self._clock.now())
        missing = branch and made.base_branch != branch
        notice = f"There is no branch {branch}: the work begins where the checkout stands." if missing else ""
        return Workspace(made.path, made.branch, made.base, is_worktree=True, notice=notice)

    async def look_at(self, path: Path) -> Workspace:
        """Return a folder as it is, made if it is missing; outside of git this costs no command.

        Raises:
            OSError: it cannot be made.
        """
        # One trip to a thread for both: this is on the way of every run.
        if await asyncio.to_thread(_made_is_checkout, path):
            return await self._place(path)
        return Workspace(path, None, None)

    async def evidence(self, workspace: Workspace) -> Evidence | None:
        """Return where the workspace's checkout stands; None outside of git.

        Raises:
            GitFailed: the checkout is damaged.
        """
        if not await asyncio.to_thread(_is_checkout, workspace.path):
            return None
        return await evidence(self.git, workspace.path, workspace.base)

    async def describe(self, workspace: Workspace) -> WorkSummary | None:
        """Return what changed since the run began; None outside of git or before its first commit.

        Raises:
            GitFailed: the checkout is damaged, or its base is gone.
        """
        if workspace.base is None or not await asyncio.to_thread(_is_checkout, workspace.path):
            return None
        return await summarise(self.git, workspace.path, workspace.base)

    async def own_worktree(self, run_id: str) -> Workspace | None:
        """Return the run's own worktree, as long as it is there."""
        found = await self._worktrees.find(run_id)
        return None if found is None else Workspace(found.path, found.branch, found.base, is_worktree=True)

    async def checkout_at(self, folder: Path) -> Workspace | None:
        """Return a folder that is a checkout with a commit, its work counted from that commit; else None."""
        place = await self._place(folder)
        return None if place.base is None else place

    def open_to_people(self, folder: str) -> Path:
        """Return a folder that agents work in, resolved, to be looked at by people. Blocking.

        Raises:
            NotFound: it is gone, or outside of the repositories, the conversations' and the runs' folders.
        """
        try:
            found = Path(folder).resolve(strict=True)
        except (OSError, RuntimeError) as error:
            raise NotFound("The folder is not there any more.") from error
        if not any(found.is_relative_to(root) for root in self._open_to_people) or not found.is_dir():
            raise NotFound("The folder is not there any more, or not shown here.")
        return found

    def not_own_data(self, folder: Path, path: str) -> Path:
        """Return the folder, unless the path means a part of Wireroom's own data folder. Blocking.

        The data folder may stand among the repositories; its secrets make an owner of who reads them.

        Raises:
            BadInput, NotFound: see `confine.resolve_inside`; also when it does, and no agent works there.
        """
        found = resolve_inside(folder, path)
        is_own = found.is_relative_to(self._own_data)
        if is_own and not any(found.is_relative_to(place) for place in self._agents_data):
            raise NotFound(f"There is no {path or 'such folder'}.")
        return folder

    async def sweep(self, busy: Collection[str] = ()) -> list[str]:
        """Remove worktrees that were not used for long, but none of the runs in `busy`; return their runs."""
        return await self._worktrees.sweep(self._clock.now(), self._keep, busy)

    def _folder(self, repository: str) -> Path:
        if not repository:
            self.root.mkdir(parents=True, exist_ok=True)
        return self.repositories.find(repository)

    async def _place(self, folder: Path) -> Workspace:
        """Return the folder as a workspace; a folder without `.git` costs no command."""
        if not await asyncio.to_thread(_is_checkout, folder):
            return Workspace(folder, None, None)
        done = await self.git.ask(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
        if done.code != 0:
            return Workspace(folder, None, None)
        base, branch = done.stdout.decode(errors="replace").split()
        return Workspace(folder, None if branch == "HEAD" else branch, base)


def _is_below(place: Path, folder: Path) -> bool:
    return place != folder and place.is_relative_to(folder)


def _made_is_checkout(folder: Path) -> bool:
    folder.mkdir(parents=True, exist_ok=True)
    return _is_checkout(folder)


def _is_checkout(folder: Path) -> bool:
    return (folder / ".git").exists()
