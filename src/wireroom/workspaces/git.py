"""Runs the `git` program: argument lists, no questions, no hooks, a time limit, no secret in its words.

Our commands run with our rights in folders where agents write, so a repository's hooks and file system
monitor are off, and only the allowed transports are used. What to say to git is decided in the modules
beside; what its words mean in `git_words`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from wireroom.backends.environment import agent_environment
from wireroom.errors import BadInput, WireroomError
from wireroom.workspaces.git_words import is_github, last_words, without_credentials
from wireroom.workspaces.program import Finished, run_program

DEFAULT_TRANSPORTS = "https:ssh"
_MOST_BYTES = 4 * 1024 * 1024
_MOST_AT_ONCE = 8
_NAMES = (
    "SSH_AUTH_SOCK",
    "SSH_AGENT_PID",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
)
_ALWAYS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "LC_ALL": "C.UTF-8",
    "GIT_EDITOR": "true",
    "GIT_MERGE_AUTOEDIT": "no",
}
_CONFIG = (
    f"core.hooksPath={os.devnull}",
    "core.fsmonitor=false",
    "core.quotePath=false",
    # A collection in the background would outlive the command.
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
)
_TOKENS = ("GITHUB_TOKEN", "GITHUB_PAT", "GIT_TOKEN")
_USERS = ("GITHUB_USERNAME", "GIT_USERNAME")
_ANSWER = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$WIREROOM_GIT_USER" "$WIREROOM_GIT_TOKEN"; }; f'
)
# The empty helper forgets those of the machine: one of them might write the token to disk.
_HELPERS = ("credential.helper=", f"credential.https://github.com.helper={_ANSWER}")


AUTHOR = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Wireroom"), ("EMAIL", "wireroom@localhost"))
}
"""Who commits where git knows nobody."""


class GitFailed(WireroomError):
    """A git command did not succeed; the message has its own last words, without credentials."""


class Git:
    """The `git` program with the environment, the limit and the transports of this installation."""

    def __init__(self, environment: Mapping[str, str], limit: timedelta) -> None:
        """Use git within these bounds.

        Args:
            environment: Ours; git sees an allow list of it. `GIT_ALLOW_PROTOCOL` in it names the transports
                that may be used, separated by colons, instead of https and ssh; `GITHUB_TOKEN`, `GITHUB_PAT`
                or `GIT_TOKEN` is given to github.com over https and never written down.
            limit: Longest command.
        """
        allowed = environment.get("GIT_ALLOW_PROTOCOL") or DEFAULT_TRANSPORTS
        self.transports = frozenset(allowed.split(":"))
        self._env = agent_environment(environment, *_NAMES) | _ALWAYS | {"GIT_ALLOW_PROTOCOL": allowed}
        self._token = token_of(environment)
        self._user = _first_of(environment, _USERS) or "x-access-token"
        self._limit = limit
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()

    def alone(self, repository: Path) -> asyncio.Lock:
        """Return the lock of a repository, for commands that change it; give its resolved folder."""
        lock = self._locks.get(repository)
        if lock is None:
            lock = self._locks[repository] = asyncio.Lock()
        return lock

    async def run(
        self, folder: Path, *args: str, remote: str = "", env: Mapping[str, str] | None = None
    ) -> str:
        """Run a command and return what it said on standard output.

        Args:
            folder: Where to run it.
            args: Sub-command, options and operands.
            remote: Address that it speaks with, which decides about credentials.
            env: Further variables.

        Raises:
            GitFailed: it ended with an error, or took too long.
        """
        done = await self.ask(folder, *args, remote=remote, env=env)
        if done.code != 0:
            words = last_words(done.stderr.decode(errors="replace")) or f"exit code {done.code}"
            raise GitFailed(f"git {args[0]} failed: {self.tellable(words)}")
        return done.stdout.decode(errors="replace")

    async def ask(
        self,
        folder: Path,
        *args: str,
        remote: str = "",
        env: Mapping[str, str] | None = None,
        most_bytes: int = _MOST_BYTES,
    ) -> Finished:
        """Run a command whose exit code is an answer.

        Raises:
            GitFailed: it cannot be started, or took too long.
        """
        config, secrets = list(_CONFIG), {}
        if self._token and is_github(remote):
            config += _HELPERS
            secrets = {"WIREROOM_GIT_USER": self._user, "WIREROOM_GIT_TOKEN": self._token}
        options = [word for one in config for word in ("-c", one)]
        # Else git would take a folder above for the repository when the one it is asked about is broken.
        ceiling = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
        async with self._turns:
            try:
                return await run_program(
                    ["git", *options, *args],
                    cwd=folder,
                    env={**self._env, **ceiling, **secrets, **(env or {})},
                    limit=self._limit,
                    most_bytes=most_bytes,
                )
            except TimeoutError as error:
                seconds = self._limit.total_seconds()
                raise GitFailed(
                    f"git {args[0]} took longer than {seconds:g} s and was ended; see GIT_COMMAND_TIMEOUT."
                ) from error
            except (OSError, ValueError) as error:
                raise GitFailed(f"git {args[0]} cannot be started: {error}. Is git installed?") from error

    def tellable(self, text: str) -> str:
        """Return the text as it may be shown and logged."""
        return without_credentials(text, [self._token] if self._token else [])

    async def remote_of(self, folder: Path, *, push: bool = False) -> str:
        """Return the address of `origin`, with whatever credentials it holds; empty without one."""
        done = await self.ask(folder, "remote", "get-url", *(["--push"] if push else []), "origin")
        return done.stdout.decode(errors="replace").strip() if done.code == 0 else ""

    async def check_branch(self, folder: Path, name: str) -> None:
        """Let a name pass that a branch can have.

        Raises:
            BadInput: none can have it, or it looks like an option.
        """
        is_plain = bool(name) and not name.startswith("-") and name != "HEAD" and name.isprintable()
        if not is_plain or (await self.ask(folder, "check-ref-format", f"refs/heads/{name}")).code != 0:
            raise BadInput(f"{name!r} cannot be a branch's name.")

    async def has_ref(self, folder: Path, ref: str) -> bool:
        """True when the full name, such as `refs/heads/main`, is there."""
        return (await self.ask(folder, "show-ref", "--verify", "--quiet", ref)).code == 0


def token_of(environment: Mapping[str, str]) -> str:
    """Return the token for GitHub, empty without one."""
    return _first_of(environment, _TOKENS)


def _first_of(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((value for name in names if (value := environment.get(name, "").strip())), "")
