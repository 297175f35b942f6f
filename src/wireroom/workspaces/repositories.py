"""The checkouts below the repositories' folder: clone, list, check out, push, pull.

They are people's: nothing is reset, cleaned, forced or merged by hand of ours. What git refuses is reported
in its own words.
"""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.workspaces.confine import resolve_inside
from wireroom.workspaces.git import Git
from wireroom.workspaces.git_words import check_address, repository_name


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository as it is listed."""

    name: str
    path: Path
    remote: str | None
    """Address of `origin`, without credentials."""
    branch: str | None
    """None when none is checked out."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did, for people."""

    message: str
    output: str = ""


class Repositories:
    """The repositories below one folder."""

    def __init__(self, root: Path, git: Git) -> None:
        """Serve the folder, which need not exist before the first clone."""
        self.root = root
        self._git = git

    def find(self, name: str) -> Path:
        """Return the resolved folder of a repository; the root for an empty name.

        Raises:
            NotFound: there is none, or the name leads out of the root.
        """
        try:
            found = resolve_inside(self.root, name)
        except (BadInput, NotFound) as error:
            raise NotFound(f"Repository '{name}' not found") from error
        if not found.is_dir():
            raise NotFound(f"Repository '{name}' not found")
        return found

    async def checkouts(self) -> list[Checkout]:
        """Return the git repositories directly below the root, by name."""
        folders = await asyncio.to_thread(self._folders)
        return [*await asyncio.gather(*(self._describe(name, path) for name, path in folders))]

    async def clone(self, address: str, wanted: str | None) -> tuple[str, Done]:
        """Clone the repository and return its name; one that was cloned from there before is left as it is.

        It appears under its name only when it is whole.

        Raises:
            BadInput: address or name cannot be used.
            Conflict: the name belongs to something else.
            GitFailed: git could not fetch it.
        """
        check_address(address, self._git.transports)
        name = repository_name(address, wanted)
        root = await asyncio.to_thread(_made, self.root)
        target, partial = root / name, root / f".cloning-{name}"
        async with self._git.alone(target):
            if target.exists() or target.is_symlink():
                return name, await self._cloned_before(target, address)
            await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
            try:
                await self._git.run(root, "clone", "--quiet", "--", address, str(partial), remote=address)
                partial.rename(target)
            finally:
                await asyncio.to_thread(shutil.rmtree, partial, ignore_errors=True)
        return name, Done("Repository cloned successfully")

    async def check_out(self, name: str, branch: str) -> Done:
        """Check the branch out: the local one, else the remote's, else a new one from where the checkout is.

        Raises:
            BadInput, NotFound: the names, see `_checkout`.
            GitFailed: such as when uncommitted work would be overwritten.
        """
        folder = await self._checkout(name, branch)
        async with self._git.alone(folder):
            if await self._git.has_ref(folder, f"refs/heads/{branch}"):
                await self._git.run(folder, "switch", "--quiet", "--no-guess", branch)
                return Done(f"Checked out branch: {branch}")
            if await self._git.has_ref(folder, f"refs/remotes/origin/{branch}"):
                await self._git.run(
                    folder, "switch", "--quiet", "--create", branch, "--track", f"origin/{branch}"
                )
                return Done(f"Checked out branch: {branch}")
            await self._git.run(folder, "switch", "--quiet", "--create", branch)
            return Done(f"Created and checked out branch: {branch}")

    async def push(self, name: str, branch: str) -> Done:
        """Push the branch to `origin` under the same name, never forced.

        Raises:
            BadInput, NotFound: the names; also a branch that is not there.
            GitFailed: the remote refused, or has moved on.
        """
        folder = await self._checkout(name, branch)
        async with self._git.alone(folder):
            if not await self._git.has_ref(folder, f"refs/heads/{branch}"):
                raise NotFound(f"Branch '{branch}' not found in repository '{name}'")
            remote = await self._git.remote_of(folder, push=True)
            ref = f"refs/heads/{branch}"
            await self._git.run(
                folder, "push", "--quiet", "--set-upstream", "origin", f"{ref}:{ref}", remote=remote
            )
        return Done(f"Pushed branch: {branch}")

    async def pull(self, name: str, branch: str) -> Done:
        """Bring the branch up to `origin`'s by fast forward only, whether it is checked out or not.

        Raises:
            BadInput, NotFound: the names.
            GitFailed: nothing to pull, diverged branches, or uncommitted work in the way.
        """
        folder = await self._checkout(name, branch)
        ref, tracking = f"refs/heads/{branch}", f"refs/remotes/origin/{branch}"
        async with self._git.alone(folder):
            remote = await self._git.remote_of(folder)
            # Merged in a second command: filters that a repository names shall not see the credentials.
            await self._git.run(folder, "fetch", "--quiet", "origin", f"+{ref}:{tracking}", remote=remote)
            if await self._current_branch(folder) == branch:
                output = await self._git.run(folder, "merge", "--ff-only", tracking)
            else:
                output = await self._git.run(folder, "fetch", ".", f"{tracking}:{ref}", env=_LOCAL)
        return Done(f"Pulled branch: {branch}", output.strip())

    async def _checkout(self, name: str, branch: str) -> Path:
        """Return the checkout's folder.

        Raises:
            BadInput: it is no git repository, or no branch can have that name.
            NotFound: there is no such folder.
        """
        folder = self.find(name)
        if not (folder / ".git").exists():
            raise BadInput(f"Repository '{name}' is not a git repository")
        await self._git.check_branch(folder, branch)
        return folder

    async def _cloned_before(self, target: Path, address: str) -> Done:
        if (target / ".git").is_dir() and await self._git.remote_of(target) == address:
            return Done("Repository exists already")
        raise Conflict(f"'{target.name}' exists already and is not a clone of that address.")

    def _folders(self) -> list[tuple[str, Path]]:
        try:
            names = sorted(entry.name for entry in self.root.iterdir() if not entry.name.startswith("."))
        except OSError:
            return []
        found = []
        for name in names:
            try:
                folder = self.find(name)
            except NotFound:
                continue
            if (folder / ".git").exists():
                found.append((name, folder))
        return found

    async def _describe(self, name: str, folder: Path) -> Checkout:
        remote, branch = await asyncio.gather(self._git.remote_of(folder), self._current_branch(folder))
        return Checkout(name, folder, self._git.tellable(remote) or None, branch)

    async def _current_branch(self, folder: Path) -> str | None:
        done = await self._git.ask(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
        return done.stdout.decode(errors="replace").strip() or None


_LOCAL = {"GIT_ALLOW_PROTOCOL": "file"}
"""A fetch from the repository itself, which git counts as a file's."""


def _made(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    return root.resolve()
