"""What people do with an agent's work from afar: commit it, push it, open a pull request.

Each step is looked at first and carries a *mark* of what was seen. It is done only while the mark still
holds, so nobody confirms one thing and gets another; done twice, it is found done.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wireroom.errors import Conflict
from wireroom.workspaces.git import AUTHOR, Git
from wireroom.workspaces.git_words import ADDS_REPOSITORY, FileLines, read_file_lines
from wireroom.workspaces.pull_requests import GitHub, PullRequest, slug_of

_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_MARK_CHARS = 12
_MOST_SUBJECTS = 20


@dataclass(frozen=True, slots=True)
class CommitLook:
    """What a commit would hold."""

    mark: str
    branch: str | None
    """None when no branch is checked out."""
    files: tuple[FileLines, ...]


@dataclass(frozen=True, slots=True)
class PushLook:
    """What a push would bring to the remote."""

    mark: str
    branch: str
    remote: str
    """Its address, without credentials."""
    subjects: tuple[str, ...]
    """First lines of the commits that no remote has, newest first, at most twenty."""


@dataclass(frozen=True, slots=True)
class PullLook:
    """What a pull request would ask for."""

    mark: str
    branch: str
    base: str
    repository: str
    """`owner/name`."""
    subjects: tuple[str, ...]
    there: PullRequest | None
    """The open one of this branch, if there is one."""


class GitSteps:
    """The steps, in any checkout that conversations work in."""

    def __init__(self, git: Git, github: GitHub) -> None:
        """Use this program, and this account for pull requests."""
        self._git = git
        self._github = github

    async def look_at_commit(self, folder: Path) -> CommitLook:
        """Return what a commit of everything would hold; the checkout and its index stay as they are.

        Raises:
            Conflict: nothing has changed, a merge is unfinished, or another repository lies within.
            GitFailed: git cannot read the checkout.
        """
        async with self._index_of_everything(folder) as env:
            return await self._seen(folder, env)

    async def commit(self, folder: Path, message: str, mark: str) -> str:
        """Commit everything as it was seen and return the new commit's short name; done before, return that.

        Raises:
            Conflict: the checkout is not any more as it was seen.
            GitFailed: git refuses.
        """
        async with self._git.alone(folder):
            if await self._is_done(folder, mark):
                return await self._short_head(folder)
            async with self._index_of_everything(folder) as env:
                self._check((await self._seen(folder, env)).mark, mark)
            await self._git.run(folder, "add", "--all")
            self._check((await self._seen(folder, {})).mark, mark)
            env = {} if await self._knows_author(folder) else AUTHOR
            await self._git.run(folder, "commit", "--quiet", "--no-verify", "--message", message, env=env)
            return await self._short_head(folder)

    async def look_at_push(self, folder: Path) -> PushLook:
        """Return what a push of the branch would bring to `origin`.

        Raises:
            Conflict: there is no branch, no remote, or nothing to push.
            GitFailed: git cannot read the checkout.
        """
        branch, head = await self._branch(folder), await self._head(folder)
        remote = await self._git.remote_of(folder, push=True)
        if not remote:
            raise Conflict("This repository has no remote called origin.")
        if await self._commit_of(folder, f"refs/remotes/origin/{branch}") == head:
            raise Conflict(f"origin has all of {branch} already.")
        subjects = await self._subjects(folder, "HEAD", "--not", "--remotes=origin")
        return PushLook(_mark(head, branch, remote), branch, self._git.tellable(remote), subjects)

    async def push(self, folder: Path, mark: str) -> str:
        """Push the branch as it was seen, never forced, and return its name; again changes nothing.

        Raises:
            Conflict: the branch has moved since.
            GitFailed: the remote refuses, or has moved on.
        """
        async with self._git.alone(folder):
            branch, head = await self._branch(folder), await self._head(folder)
            remote = await self._git.remote_of(folder, push=True)
            if _mark(head, branch, remote) != mark:
                raise Conflict("The branch has moved since. Say /push again to see what it holds now.")
            await self._push(folder, branch, remote)
            return branch

    async def look_at_pull(self, folder: Path) -> PullLook:
        """Return what a pull request of the branch would ask for.

        Raises:
            BadInput: the remote is not on GitHub, or nobody has given a token.
            Conflict: the branch is the one that it would go into, or holds nothing new.
            GitFailed: git cannot read the checkout, or GitHub does not answer.
        """
        branch, head = await self._branch(folder), await self._head(folder)
        repository = slug_of(await self._git.run(folder, "config", "--get", "remote.origin.url"))
        base = await self._github.default_branch(repository)
        if branch == base:
            raise Conflict(f"{branch} is where pull requests go. Have the work on a branch of its own.")
        subjects = await self._subjects(folder, "HEAD", "--not", f"refs/remotes/origin/{base}")
        if not subjects:
            raise Conflict(f"{branch} holds nothing that {base} has not.")
        there = await self._github.find(repository, branch)
        return PullLook(_mark(head, branch, repository, base), branch, base, repository, subjects, there)

    async def open_pull(self, folder: Path, title: str, mark: str) -> PullRequest:
        """Push the branch and open its pull request as it was seen; one that is open already is returned.

        Raises:
            Conflict: the branch has moved since.
            BadInput, GitFailed: see `look_at_pull`; GitHub refuses.
        """
        seen = await self.look_at_pull(folder)
        if seen.mark != mark:
            raise Conflict("The branch has moved since. Say /pr again to see what it holds now.")
        async with self._git.alone(folder):
            await self._push(folder, seen.branch, await self._git.remote_of(folder, push=True))
        if seen.there is not None:
            return seen.there
        body = "\n".join(f"- {subject}" for subject in reversed(seen.subjects))
        return await self._github.create(seen.repository, seen.branch, seen.base, title=title, body=body)

    async def _seen(self, folder: Path, env: Mapping[str, str]) -> CommitLook:
        """Return what the index holds against the last commit."""
        git, head = self._git, await self._commit_of(folder, "HEAD")
        if (await git.run(folder, "ls-files", "--unmerged", env=env)).strip():
            raise Conflict("A merge is unfinished here. Have its conflicts resolved first.")
        tree = (await git.run(folder, "write-tree", env=env)).strip()
        against = ("diff", "--cached", "--no-color", "--no-ext-diff", "--no-renames")
        numbers = await git.run(folder, *against, "--numstat", "-z", head or _EMPTY_TREE, "--", env=env)
        files = read_file_lines(numbers)
        if not files:
            raise Conflict("Nothing has changed since the last commit.")
        raw = await git.run(folder, *against, "--raw", head or _EMPTY_TREE, "--", env=env)
        if ADDS_REPOSITORY in raw:
            raise Conflict("It holds another repository, which git does not keep. Move that away.")
        done = await git.ask(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
        return CommitLook(_mark(head or "", tree), done.stdout.decode().strip() or None, files)

    def _check(self, found: str, mark: str) -> None:
        if found != mark:
            raise Conflict("The files have changed since. Say /commit again to see what they are now.")

    async def _is_done(self, folder: Path, mark: str) -> bool:
        """Tell whether the newest commit is the confirmed one: it was made, and a crash kept it unsaid."""
        if await self._commit_of(folder, "HEAD") is None:
            return False
        tree = (await self._git.run(folder, "rev-parse", "HEAD^{tree}")).strip()
        return _mark(await self._commit_of(folder, "HEAD^") or "", tree) == mark

    async def _push(self, folder: Path, branch: str, remote: str) -> None:
        ref = f"refs/heads/{branch}"
        await self._git.run(
            folder, "push", "--quiet", "--set-upstream", "origin", f"{ref}:{ref}", remote=remote
        )

    async def _subjects(self, folder: Path, *which: str) -> tuple[str, ...]:
        said = await self._git.run(folder, "log", f"--max-count={_MOST_SUBJECTS}", "--format=%s", *which)
        return tuple(said.splitlines())

    async def _branch(self, folder: Path) -> str:
        done = await self._git.ask(folder, "symbolic-ref", "--short", "--quiet", "HEAD")
        if not (branch := done.stdout.decode(errors="replace").strip()):
            raise Conflict("No branch is checked out here.")
        return branch

    async def _head(self, folder: Path) -> str:
        if (head := await self._commit_of(folder, "HEAD")) is None:
            raise Conflict("There is no commit here yet. Say /commit first.")
        return head

    async def _commit_of(self, folder: Path, ref: str) -> str | None:
        done = await self._git.ask(folder, "rev-parse", "--verify", "--quiet", ref)
        return done.stdout.decode().strip() if done.code == 0 else None

    async def _short_head(self, folder: Path) -> str:
        return (await self._git.run(folder, "rev-parse", "--short", "HEAD")).strip()

    async def _knows_author(self, folder: Path) -> bool:
        return (await self._git.ask(folder, "config", "user.email")).code == 0

    @asynccontextmanager
    async def _index_of_everything(self, folder: Path) -> AsyncIterator[Mapping[str, str]]:
        """Lend the variables for a copy of the index to which everything was added."""
        index = folder / (await self._git.run(folder, "rev-parse", "--git-path", "index")).rstrip("\n")
        with tempfile.TemporaryDirectory(prefix="wireroom-index-") as private:
            copy = Path(private) / "index"
            if await asyncio.to_thread(index.exists):
                await asyncio.to_thread(shutil.copyfile, index, copy)
            env = {"GIT_INDEX_FILE": str(copy)}
            if (await self._git.run(folder, "ls-files", "--unmerged", env=env)).strip():
                raise Conflict("A merge is unfinished here. Have its conflicts resolved first.")
            await self._git.run(folder, "add", "--all", env=env)
            yield env


def _mark(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_MARK_CHARS]
