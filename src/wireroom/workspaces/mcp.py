"""The MCP servers of one run: chosen, their secrets filled in, and tried before the agent is given them.

Nothing is written: the back end puts them where its agent looks, in the attempt's private folder.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from wireroom.backends.environment import agent_environment
from wireroom.backends.protocol import McpServer
from wireroom.clock import Clock
from wireroom.errors import SettingsError
from wireroom.settings import Settings
from wireroom.workspaces.mcp_config import (
    Resolved,
    choose,
    read_servers,
    resolve_server,
    without_secrets,
)
from wireroom.workspaces.mcp_probe import probe

OWN_NAME = "wireroom"
"""Our own server among the names of servers."""
TOKEN_VARIABLE = "WIREROOM_MCP_TOKEN"  # noqa: S105 - a name
"""Stands for our own server's token in the file of servers."""
_GOOD_FOR = timedelta(minutes=10)
_BAD_FOR = timedelta(minutes=1)
_MOST_REMEMBERED = 256
_MOST_AT_ONCE = 2
"""Servers that are tried at the same time: their first start may download much, on a small machine."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run's agent is given."""

    servers: tuple[McpServer, ...] = ()
    notices: tuple[str, ...] = ()
    """Which servers were left out and why, without secrets, for the run's log."""
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)
    """What was filled in, of the servers that were left out, too."""

    def tellable(self, text: str) -> str:
        """Return the text with the servers' secrets blanked."""
        return without_secrets(text, self.secrets)


@dataclass(frozen=True, slots=True)
class OwnServer:
    """Wireroom's own server of tools, for agents that are to be given it."""

    address: Callable[[], str]
    """Where it is served, known once the port is."""
    token: str = field(repr=False)
    """What opens it, and nothing else."""

    @property
    def entry(self) -> Mapping[str, object]:
        """It as it would stand in the file of servers; the token is referred to."""
        headers = {"Authorization": f"Bearer ${{{TOKEN_VARIABLE}}}"}
        return {"url": self.address(), "headers": headers}


class McpServers:
    """Chooses and tries MCP servers; remembers for some minutes which of them start."""

    def __init__(
        self,
        settings: Settings,
        environment: Mapping[str, str],
        clock: Clock,
        own: OwnServer | None = None,
    ) -> None:
        """Use the file and the names of the settings; `environment` is ours and fills in `${NAME}`.

        `own` is known as `wireroom`, unless the file has a server of that name.
        """
        self._own = own
        self._references = environment if own is None else {**environment, TOKEN_VARIABLE: own.token}
        self._file = settings.mcp_config
        self._always = settings.mcp_servers
        self._limit = timedelta(seconds=settings.mcp_probe_seconds)
        self._environment = environment
        self._clock = clock
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)
        self._tried: dict[bytes, tuple[float, str | None]] = {}
        self._locks: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    async def for_run(self, workdir: Path, wanted: Sequence[str] = ()) -> Tools:
        """Return the servers that a run in this folder gets.

        Those of the settings come first, then the run's own. Servers with an address are given untried.

        Raises:
            BadInput: a name is not known, or a variable that a server needs is not set.
            SettingsError: the file cannot be read, or is none of MCP servers.
        """
        if not (self._always or wanted):
            return Tools()
        entries = await asyncio.to_thread(self._entries)
        names = choose(entries, self._always, wanted)
        found = [resolve_server(name, entries[name], self._references) for name in names]
        reasons = await asyncio.gather(*(self._reason(one, workdir) for one in found))
        judged = list(zip(found, reasons, strict=True))
        return Tools(
            servers=tuple(one.server for one, reason in judged if reason is None),
            notices=tuple(
                f"The MCP server {one.server.name} is left out: {one.tellable(reason)}."
                for one, reason in judged
                if reason is not None
            ),
            secrets=tuple(secret for one in found for secret in one.secrets),
        )

    def _entries(self) -> dict[str, Mapping[str, object]]:
        ours = {} if self._own is None else {OWN_NAME: self._own.entry}
        if self._file is None:
            return ours
        try:
            return ours | read_servers(self._file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"WIREROOM_MCP_CONFIG: {self._file} cannot be read ({error}).") from error

    async def _reason(self, one: Resolved, workdir: Path) -> str | None:
        """Return why the server is of no use, None when it is; asked once for all who wait for it."""
        if not one.server.command:
            return None
        key = hashlib.sha256(msgspec.json.encode(one.server)).digest()
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        async with lock:
            until, reason = self._tried.get(key, (0.0, None))
            if self._clock.monotonic() < until:
                return reason
            reason = await self._try(one.server, workdir)
            self._remember(key, reason)
            return reason

    async def _try(self, server: McpServer, workdir: Path) -> str | None:
        async with self._turns:
            env = agent_environment(self._environment)
            return await probe(server, cwd=workdir, env=env, limit=self._limit)

    def _remember(self, key: bytes, reason: str | None) -> None:
        now = self._clock.monotonic()
        if len(self._tried) >= _MOST_REMEMBERED:
            self._tried.clear()
        good_for = _GOOD_FOR if reason is None else _BAD_FOR
        self._tried[key] = (now + good_for.total_seconds(), reason)
