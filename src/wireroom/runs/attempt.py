"""An attempt of a run: what those who work on it must know. `records` begins it, `driver` drives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wireroom.backends.protocol import McpServer
from wireroom.runs.options import RunOptions, RunReport
from wireroom.runs.states import RunMode


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an executor needs to work."""

    run_id: str
    epoch: int
    conversation_id: str
    prompt: str
    backend: str
    workdir: Path
    session_id: str | None
    """The agent's own session to resume."""
    is_first: bool
    """True when nothing was said in the conversation before."""
    interrupted: bool
    """True when an earlier attempt was cut off; the agent is told to go on."""
    session_workdir: Path | None = None
    """The folder that this session belongs to; None: the attempt's own."""
    session_usage: Mapping[str, int | float] = field(default_factory=dict)
    """What that session is known to have used; see `runs.session_usage`."""
    mode: RunMode = RunMode.EXECUTE
    options: RunOptions = field(default_factory=RunOptions)
    report: RunReport = field(default_factory=RunReport)
    """What earlier attempts have noted already."""
    reviews: bool = False
    """The call is of a reviewer: what it says is no answer, and its session is not the conversation's."""
    round: int = 0
    """The round of the loop that an agent is called for, by its `seq`; 0 without a loop."""
    base: str | None = None
    """The commit that the work begins with; None outside of git."""
    private_dir: Path | None = None
    """A folder for the agent's configuration."""
    outbox: Path | None = None
    """Where the agent leaves files for people; None when nobody would get them."""
    folders: tuple[Path, ...] = ()
    """That place, and where the files lie that people gave."""
    mcp_servers: tuple[McpServer, ...] = ()
    notices: tuple[str, ...] = ()
    """What people should know about the place of work, for the log."""
    taken: tuple[str, ...] = ()
    """Messages, by their runs, that an earlier attempt's agent was being told; they are in the prompt."""

    def resumable(self) -> Attempt:
        """Return the attempt without a session that belongs to another folder than it works in."""
        if self.session_workdir in {None, self.workdir}:
            return self
        return replace(self, session_id=None, session_workdir=None, session_usage={})

    @property
    def call_id(self) -> str:
        """What names one call of an agent elsewhere: the attempt, and its round if it has rounds."""
        scope = scope_of(self.run_id, self.epoch)
        return f"{scope}.{self.round}" if self.round else scope


def scope_of(run_id: str, epoch: int) -> str:
    """Return the mark that the attempt's processes carry in their environment."""
    return f"{run_id}.{epoch}"
