"""What an agent did in a checkout, as git sees it: evidence for the iterate loop, and a summary for people.

Nothing of the checkout is changed by looking, not even its index.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wireroom.workspaces.git import Git, GitFailed
from wireroom.workspaces.git_words import Lines, read_numbers, read_status

MOST_DIFF_BYTES = 200_000
_READ_ONLY = {"GIT_OPTIONAL_LOCKS": "0"}
_PLAIN = ("--no-color", "--no-ext-diff", "--no-textconv")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a checkout stands."""

    head: str | None
    """Its commit; None before the first one."""
    branch: str | None
    """Its branch; None when none is checked out."""
    upstream: str | None
    """The branch at the remote that it follows, such as `origin/feature`."""
    pushed: bool
    """The upstream is there and has this very commit, as of the last push or fetch."""
    commits_ahead: int
    """Commits since the base; 0 without one."""
    changed_files: int
    """Files with uncommitted changes, new ones included, ignored ones not."""


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """What changed since the base, committed or not."""

    evidence: Evidence
    lines: Lines
    """Files, insertions and deletions of the diff."""
    diff: str
    """Unified diff, new files included, at most `MOST_DIFF_BYTES`."""
    diff_cut: bool
    """The diff goes on."""


async def evidence(git: Git, folder: Path, base: str | None = None) -> Evidence:
    """Return where the checkout stands.

    Args:
        git: The program.
        folder: A checkout, or a folder within one.
        base: The commit that the work began with.

    Raises:
        GitFailed: the folder is no checkout.
    """
    status = read_status(await git.run(folder, "status", "--porcelain=v2", "--branch", "-z", env=_READ_ONLY))
    commits = 0
    if base and status.head:
        commits = int(await git.run(folder, "rev-list", "--count", f"{base}..HEAD", "--"))
    return Evidence(
        head=status.head,
        branch=status.branch,
        upstream=status.upstream,
        pushed=status.upstream_exists and not status.ahead and not status.behind,
        commits_ahead=commits,
        changed_files=status.changed_files,
    )


async def summarise(git: Git, folder: Path, base: str, most_bytes: int = MOST_DIFF_BYTES) -> WorkSummary:
    """Return what changed since `base`, with the text of the diff up to a bound.

    Raises:
        GitFailed: the folder is no checkout, or the base is not known in it.
    """
    found = await evidence(git, folder, base)
    async with _index_with_new_files(git, folder) as env:
        numbers = await git.run(
            folder, "diff", *_PLAIN, "--numstat", "-z", "--no-renames", base, "--", env=env
        )
        diff = await git.ask(
            folder, "diff", *_PLAIN, "--find-renames", base, "--", env=env, most_bytes=most_bytes
        )
    if diff.code != 0:
        raise GitFailed(f"git diff failed in {folder.name} with exit code {diff.code}.")
    # A character that the bound cut in two is left out.
    text = diff.stdout.decode(errors="ignore" if diff.cut else "replace")
    return WorkSummary(found, read_numbers(numbers), text, diff.cut)


@asynccontextmanager
async def _index_with_new_files(git: Git, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Lend the variables for a copy of the index that knows new files too, so that a diff has them."""
    index = folder / (await git.run(folder, "rev-parse", "--git-path", "index")).rstrip("\n")
    with tempfile.TemporaryDirectory(prefix="wireroom-index-") as private:
        copy = Path(private) / "index"
        if await asyncio.to_thread(index.exists):
            await asyncio.to_thread(shutil.copyfile, index, copy)
        env = _READ_ONLY | {"GIT_INDEX_FILE": str(copy)}
        await git.run(folder, "add", "--intent-to-add", "--all", env=env)
        yield env
