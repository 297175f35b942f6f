"""What a coding agent looks like to the rest of Wireroom.

A back end turns a request into a command line, and the agent's output lines into events and a result.
Both halves are pure: `runs.supervisor` starts the process, feeds the lines and ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class EventKind(StrEnum):
    """What a run event tells; its payload's shape is given here and in docs/reference/events.md."""

    TEXT = "text"
    """Answer text: {"text": str}. Pieces in order; concatenated they are what the agent said."""
    THOUGHT = "thought"
    """Reasoning shown on request: {"text": str}."""
    TOOL_CALL = "tool_call"
    """{"id": str, "name": str, "summary": str}: the agent starts to use a tool."""
    TOOL_RESULT = "tool_result"
    """{"id": str, "ok": bool, "summary": str}."""
    PLAN = "plan"
    """{"steps": [{"text": str, "state": "pending" | "active" | "done"}]}; replaces the plan before."""
    SESSION = "session"
    """{"session_id": str}: the agent's own session, for resuming."""
    USAGE = "usage"
    """{"input_tokens": int, "output_tokens": int, "cost_usd": float | null}; totals of the run so far."""
    NOTICE = "notice"
    """{"text": str}: a line that is neither, such as stderr or an unreadable line; shown in the log."""
    PERMISSION = "permission"
    """{"id": str, "tool": str, "summary": str, "state": "asked" | "allowed" | "denied" | "expired"}."""
    ROUND = "round"
    """{"number": int, "kind": "work" | "review", "verdict": str | null}: a step of the iterate loop."""
    STATE = "state"
    """{"state": str, "reason": str | null}: written by the executor, never by a parser."""


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """One thing the agent did or said."""

    kind: EventKind
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server of tools that a run's agent shall use; its secrets are resolved already."""

    name: str
    command: str = ""
    """Program to start, for a server over standard input and output; else empty."""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    """Address of a server over streamable HTTP; else empty."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentRequest:
    """What to ask of a coding agent."""

    prompt: str
    workdir: Path
    """Existing folder that the agent works in."""
    session_id: str | None = None
    """The back end's own session to resume, or None for a new one."""
    context: str = ""
    """Earlier turns as text, for a back end that cannot resume or has lost its session."""
    model: str | None = None
    goes_on: bool = False
    """An earlier attempt at this prompt was cut off: the agent shall look at what is done already."""
    private_dir: Path | None = None
    """A folder of this attempt alone, outside the workdir, for configuration files; removed afterwards."""
    mcp_servers: tuple[McpServer, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start; never goes through a shell."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    """The whole environment of the child."""
    stdin: bytes | None = None
    """Written to standard input, which is then closed; None closes it at once. The prompt goes here."""
    files: Mapping[Path, bytes] = field(default_factory=dict)
    """Files to write before the start, mode 0600, all inside `AgentRequest.private_dir`."""


@dataclass(frozen=True, slots=True)
class AgentResult:
    """What the agent's output says about the end; the supervisor's outcome says how the process ended."""

    text: str
    """The final answer, or all that was said so far."""
    is_error: bool
    """The agent itself reported a failure."""
    error: str | None = None
    session_id: str | None = None
    session_lost: bool = False
    """The session to resume is unknown to the agent: ask again without it, with `context`."""
    usage: Mapping[str, Any] = field(default_factory=dict)


class StreamParser(Protocol):
    """Reads one run's standard output; pure, one instance a run."""

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one output line (without its line end); never raises on odd input."""
        ...

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Return what is known at the end.

        `exit_code` is None when the process was killed. Some programs say only on `stderr` (its end suffices)
        that a session is lost.
        """
        ...


class Backend(Protocol):
    """One coding agent program."""

    name: str
    resumes_sessions: bool
    """True when `AgentRequest.session_id` is honoured; otherwise the executor sends `context`."""

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request.

        Raises:
            AgentUnavailable: the program is not installed; the message says where it was looked for.
        """
        ...

    def parser(self) -> StreamParser:
        """Return a fresh parser for one run's output."""
        ...
