"""What a caller asked for beyond the prompt, and what the run has to tell beyond its output. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from wireroom.speech.limits import Recording
from wireroom.workspaces.given import GivenFiles
from wireroom.workspaces.outbox import LeftFile


class RunOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Wishes of the caller; what is not given follows the settings."""

    repository: str | None = None
    """Folder under the repositories' root, as the caller named it."""
    branch_name: str | None = None
    queue_type: str | None = None
    """Echoed to the caller as it came."""
    model: str | None = None
    effort: str | None = None
    """How long the agent shall think; a back end that knows no such thing passes it over."""
    worktree: bool = False
    """Work in a git worktree of the run's own."""
    mcp_servers: tuple[str, ...] | None = None
    """Names of MCP servers; None: the installation's."""
    max_rounds: int | None = None
    """Rounds of the loop after the first."""
    budget_minutes: float | None = None
    """The longest; a loop ends with the round in which it is used up, a single call is cut off."""
    budget_usd: float | None = None
    """The most that it may cost; a single call is cut off only if its agent tells the cost on the way."""
    reviewer: str | None = None
    """The back end that reviews."""
    side_of: str | None = None
    """The conversation beside which a side question is asked."""
    unattended: bool = False
    """Nobody can be asked for permission: the default answers at once."""
    has_callback: bool = False
    """A row of `callbacks` waits for the end."""
    recording: Recording | None = None
    """The request was spoken."""
    given: GivenFiles | None = None
    """The request came with files."""
    busy: str | None = None
    """What it was to do while an agent was at work, a word of `runs.busy.BusyMode`; None: wait its turn."""
    place: int = 0
    """Of one that joins another run, or is offered to it: the number of that run's event which tells so."""
    handed: bool = False
    """Of one that is offered to another run: its agent is being told, and may have been."""


class RunReport(msgspec.Struct, omit_defaults=True):
    """What there is to tell of an ended run beyond its output; grows while the run works."""

    command: tuple[str, ...] = ()
    """The last agent's command line, without secrets."""
    iterations: int | None = None
    """Rounds of the loop after the first; None for a run without a loop."""
    max_iterations: int | None = None
    justification: str | None = None
    """What the last review said."""
    original_output: str | None = None
    """What the first round said, when a later one gave the output."""
    error_code: str | None = None
    """A word for programs: timeout, idle_timeout, cancelled, exhausted, blocked, budget, agent_missing …"""
    branch: str | None = None
    worktree: str | None = None
    diff: dict[str, Any] | None = None
    """files, insertions, deletions, commits, uncommitted, pushed; see `workspaces`."""
    patch: str | None = None
    """What was changed, as a unified diff."""
    patch_cut: bool = False
    """The diff goes on."""
    files: tuple[LeftFile, ...] = ()
    """What the agent left to be sent."""
    not_sent: tuple[str, ...] = ()
    """What of that is not sent and why, for people."""


_options = msgspec.json.Decoder(RunOptions).decode
_report = msgspec.json.Decoder(RunReport).decode
encode = msgspec.json.Encoder().encode


def read_options(stored: str | None) -> RunOptions:
    """Return what was stored; a run without any has the defaults."""
    return _options(stored) if stored else RunOptions()


def read_report(stored: str | None) -> RunReport:
    """Return what was stored, empty if nothing was."""
    return _report(stored) if stored else RunReport()
