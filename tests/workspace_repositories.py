"""Real git repositories for tests: a bare one as the remote, and checkouts of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_ALLOW_PROTOCOL": "file",
}
"""What the service is given: no configuration of this machine's, and the file transport for the remote."""

_AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


def git(folder: Path, *args: str) -> str:
    """Run git as a person would and return what it said."""
    done = subprocess.run(
        ["git", *args], cwd=folder, env=ENVIRONMENT | _AUTHOR, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path, name: str, text: str, message: str = "change") -> str:
    """Write a file, commit it and return the commit."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    git(folder, "add", "--", name)
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def make_remote(folder: Path) -> Path:
    """Return a bare repository with one commit on `main`."""
    remote, first = folder / "remote.git", folder / "first"
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    git(folder, "clone", "--quiet", str(remote), str(first))
    git(first, "switch", "--quiet", "--create", "main")
    commit(first, "README.md", "one\n", "first")
    git(first, "push", "--quiet", "--set-upstream", "origin", "main")
    return remote


def clone(remote: Path, target: Path) -> Path:
    """Return a person's checkout of the remote."""
    target.parent.mkdir(parents=True, exist_ok=True)
    git(target.parent, "clone", "--quiet", str(remote), str(target))
    return target
