"""What a chat shows of a git step before and after it. Pure; Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from wireroom.intake.words import excerpt
from wireroom.runs.verdict import fenced
from wireroom.workspaces.git_steps import CommitLook, PullLook, PushLook
from wireroom.workspaces.pull_requests import PullRequest

NO_GIT = "This conversation works outside of git. Choose a repository with `/repo NAME`."
_MOST_FILES = 20


def commit_look(seen: CommitLook, message: str) -> str:
    """Return what a commit would hold, to be confirmed."""
    where = f" on `{seen.branch}`" if seen.branch else ", on no branch"
    added, gone = sum(one.insertions for one in seen.files), sum(one.deletions for one in seen.files)
    lines = [f"• `{one.path}` +{one.insertions} -{one.deletions}" for one in seen.files[:_MOST_FILES]]
    if len(seen.files) > _MOST_FILES:
        lines.append(f"… and {len(seen.files) - _MOST_FILES} more")
    count = "1 file" if len(seen.files) == 1 else f"{len(seen.files)} files"
    head = f"**Commit {count}{where}?** +{added} -{gone}"
    return "\n".join((head, "", fenced(message), "", *lines))


def push_look(seen: PushLook) -> str:
    """Return what a push would bring, to be confirmed."""
    head = f"**Push `{seen.branch}` to origin?** `{seen.remote}`"
    return "\n".join((head, "", *_listed(seen.subjects)))


def pull_look(seen: PullLook, title: str) -> str:
    """Return what a pull request would ask for, to be confirmed."""
    if seen.there is not None:
        head = f"**Push `{seen.branch}`?** Its pull request is open: {seen.there.url}"
    else:
        head = f"**Open a pull request in {excerpt(seen.repository)}?** `{seen.branch}` into `{seen.base}`"
    return "\n".join((head, "", fenced(title), "", *_listed(seen.subjects)))


def committed(name: str) -> str:
    """Return that a commit was made."""
    return f"✅ Committed `{name}`."


def pushed(branch: str) -> str:
    """Return that a branch was pushed."""
    return f"✅ Pushed `{branch}`."


def opened(pull: PullRequest) -> str:
    """Return that a pull request is open."""
    return f"✅ Pull request {pull.number} is open: {pull.url}"


def refused(reason: str) -> str:
    """Return why a step was not taken."""
    return f"⚠️ {reason}"


def _listed(subjects: Sequence[str]) -> list[str]:
    return [f"• {excerpt(subject)}" for subject in subjects]
