"""What a coding agent looks like to the rest of Wireroom.

A back end turns a request into a command line, and the agent's output lines into events and a result.
Both halves are pure: `runs.supervisor` starts the process, feeds the lines and ends it. Two kinds do more: an
`InteractiveBackend` talks with its process, a `CalledBackend` has none. `runs.agent_call` drives all three.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from aiohttp import ClientSession


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
    """{"input_tokens": int, "output_tokens": int, "cost_usd": float | null}; totals of a call so far."""
    NOTICE = "notice"
    """{"text": str}: a line that is neither, such as stderr or an unreadable line; shown in the log."""
    PERMISSION = "permission"
    """{"id": str, "tool": str, "summary": str, "state": "asked" | "allowed" | "denied" | "expired"}."""
    ROUND = "round"
    """{"number": int, "kind": "work" | "review", "verdict": str | null}: a step of the iterate loop."""
    MESSAGE = "message"
    """{"run_id": str, "text": str, "state": "collected" | "offered" | "taken" | "withdrawn"}: a message
    that came while it waited or worked, and what became of it; `run_id` is the message's own."""
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
    session_usage: Mapping[str, int | float] = field(default_factory=dict)
    """What that session is known to have used; of no concern to a back end."""
    context: str = ""
    """Earlier turns as text, for a back end that cannot resume or has lost its session."""
    model: str | None = None
    effort: str | None = None
    """How long to think, a word of `backends.abilities`; None: the agent's own choice."""
    budget_usd: float | None = None
    """The most that this call may cost; heeded by the agents that can."""
    aside: bool = False
    """A side question: nothing is to be changed, and `session_id` is to be forked, never gone on with."""
    takes_words: bool = False
    """People may say something to the agent while it works."""
    goes_on: bool = False
    """An earlier attempt at this prompt was cut off: the agent shall look at what is done already."""
    private_dir: Path | None = None
    """A folder of this attempt alone, outside the workdir, for configuration files; removed afterwards."""
    mcp_servers: tuple[McpServer, ...] = ()
    folders: tuple[Path, ...] = ()
    """Folders beside the workdir that it may use: of files that people gave, and for those it leaves."""
    instructions: str = ""
    """The installation's own words to every agent, which go with the first prompt of a session."""


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
    budget_spent: bool = False
    """The agent stopped because `AgentRequest.budget_usd` was used up."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """What this call used, as in `EventKind.USAGE`."""
    session_usage: Mapping[str, int | float] = field(default_factory=dict)
    """Figures of the same names that count the session from its beginning, for an agent that tells no others.
    Its parser makes no event of them: `runs.agent_call` tells the call's own share (`runs.session_usage`)."""
    exit_code: int | None = None
    """What the agent's program returned, where no process of ours tells it."""


@dataclass(frozen=True, slots=True)
class PermissionQuestion:
    """What an agent wants to do and may not do unasked."""

    tool: str
    """What rules and "this session" go by: `execute`, `edit`, `fetch`, or a tool's own name."""
    subject: str
    """What with, in one line: a command, a path."""
    digest: str
    """SHA-256 of tool and input, hex: the same question again has the same."""


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody says to an agent at work."""

    id: str
    text: str


class PermissionAnswer(StrEnum):
    """How a question for permission ended; also the state of its event."""

    ALLOWED = "allowed"
    DENIED = "denied"
    EXPIRED = "expired"
    """Nobody answered in time, and the default is to deny."""


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


@runtime_checkable
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


class Wire(Protocol):
    """Both pipes of a supervised process as lines, for one conversation at a time."""

    stop: asyncio.Event
    """Set when the agent shall stop. The conversation says so in the agent's own words and ends soon; a
    process that goes on is killed."""

    async def send(self, line: str) -> None:
        """Write one line (without its line end), whole; several tasks may send.

        A line for an agent that reads no more is dropped: what follows from it is seen in what it writes.
        """
        ...

    async def receive(self) -> str | None:
        """Return the next line of standard output; None when there is nothing more. One task receives."""
        ...


class Host(Protocol):
    """What Wireroom does for an agent while it works."""

    def emit(self, event: AgentEvent) -> None:
        """Put the event into the run's log."""
        ...

    async def ask(self, question: PermissionQuestion) -> PermissionAnswer:
        """Return whether the agent may: by a rule, by an earlier answer, or when a person has answered.

        May take as long as a question waits for a person; the agent's silence does not count meanwhile.
        """
        ...

    async def words(self) -> Words:
        """Return what somebody says to the agent next; waits until there is something, maybe for ever."""
        ...

    async def hand(self, words: Words) -> bool:
        """Note that the agent is about to be told; False when it must not be, for they are withdrawn."""
        ...

    async def heard(self, words_id: str) -> None:
        """Note that the agent has taken the words: they are not asked by themselves any more."""
        ...


@runtime_checkable
class InteractiveBackend(Protocol):
    """A coding agent program that is talked with: its standard input stays open until it has answered."""

    name: str
    resumes_sessions: bool
    takes_words: bool
    """True when what people say meanwhile (`Host.words`) is told to the agent while it works."""

    def command(self, request: AgentRequest) -> Command:
        """Return the process to talk with; its `stdin` is not used. Raises as `Backend.command`."""
        ...

    async def converse(self, request: AgentRequest, wire: Wire, host: Host) -> AgentResult:
        """Talk until the request is served, and return how; odd lines and a lost wire are results too.

        When it returns, the process has served and is ended. Leaves no task behind, cancelled or not.
        """
        ...


@dataclass(frozen=True, slots=True)
class Errand:
    """What a runner elsewhere must know of the run besides the request."""

    id: str
    """Names this call; the runner answers with it."""
    repository: str | None = None
    branch_name: str | None = None
    may_be_known: bool = False
    """An earlier attempt may have handed it over: the runner may be at it, or be done."""


class Abroad(Host, Protocol):
    """What Wireroom does for a back end that works elsewhere."""

    http: ClientSession
    """The one session for outgoing calls."""
    errand: Errand
    callback_url: str
    """Where a runner reports the end."""
    secret: str
    """Our own secret, which a runner of the same installation shares."""

    async def reply(self, seconds: float) -> Mapping[str, Any] | None:
        """Return what a runner has reported of the errand; None when nothing came within the time."""
        ...

    async def is_left_open(self) -> bool:
        """Tell a call that is cancelled whether its errand shall go on, for the next attempt to wait for."""
        ...


@runtime_checkable
class CalledBackend(Protocol):
    """A coding agent without a process of ours."""

    name: str
    resumes_sessions: bool

    async def call(self, request: AgentRequest, abroad: Abroad) -> AgentResult:
        """Have the request served and return how; `exit_code` of the result must be 0 for success.

        Cancelled when the run is stopped or takes too long: it then tells whoever works, within seconds,
        unless the errand is left open.

        Raises:
            AgentUnavailable: nobody is there to serve it.
        """
        ...


AnyBackend: TypeAlias = Backend | InteractiveBackend | CalledBackend
"""What `runs.agent_call` can drive."""
