"""Claude Code: its command line, and its `stream-json` lines as events.

Source: Claude Code documentation, "Run Claude Code programmatically" and the message types of the Agent SDK
reference (`SDKMessage`). `--include-partial-messages` makes the text arrive as it is written; a long answer
would else be a long silence, and end as an idle timeout. Its cost, unlike its tokens, is that of the whole
session: a resumed one begins with what it cost before, without calls that were killed (2.1.330).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from wireroom.backends.claude_talk import converse
from wireroom.backends.environment import agent_environment
from wireroom.backends.mcp_config import as_file, common_servers, private_file
from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    AgentResult,
    Command,
    EventKind,
    Host,
    StreamParser,
    Wire,
)
from wireroom.backends.wire import (
    Transcript,
    argument_of,
    cost_of,
    count_of,
    framed_prompt,
    mapping_of,
    name_of,
    notice,
    objects_of,
    plan_steps,
    read_object,
    shorten,
    summarise_call,
    text_of,
)

ENVIRONMENT = ("ANTHROPIC_*", "CLAUDE_*")
"""What Claude Code may see besides the common variables: its keys and settings."""

_LOST = re.compile(r"No conversation found with session ID", re.IGNORECASE)
_INPUT_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class ClaudeBackend:
    """Starts `claude -p`; the prompt goes to standard input: any length, not seen in `ps`."""

    name = "claude"
    resumes_sessions = True
    takes_words = True

    def __init__(
        self, program: str, environment: Mapping[str, str], permission_mode: str = "acceptEdits"
    ) -> None:
        self._program = program
        self._permission_mode = permission_mode
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request.

        Raises:
            BadInput: the model or the session is not fit for a command line.
        """
        argv = [
            self._program,
            "-p",
            "--output-format",
            "stream-json",
            "--verbose",
            "--include-partial-messages",
        ]
        if request.takes_words:
            argv += ["--input-format", "stream-json", "--replay-user-messages"]
        argv += ["--permission-mode", "dontAsk" if request.aside else self._permission_mode]
        if request.aside:
            argv += ["--tools", "Read,Grep,Glob", "--strict-mcp-config"]
        # With a value of its own each: written apart, it would take what follows for folders, too.
        argv += [f"--add-dir={folder}" for folder in request.folders]
        if request.model:
            argv += ["--model", argument_of(request.model, "the model")]
        if request.effort:
            argv += ["--effort", request.effort]
        if request.budget_usd:
            # It counts this call alone, also in a resumed session (2.1.330).
            argv += ["--max-budget-usd", f"{request.budget_usd:.6f}"]
        if request.session_id:
            argv += ["--resume", argument_of(request.session_id, "the session")]
            argv += ["--fork-session"] if request.aside else []
        servers, files = _servers(request)
        return Command((*argv, *servers), request.workdir, self._environment, framed_prompt(request), files)

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return ClaudeParser()

    async def converse(self, request: AgentRequest, wire: Wire, host: Host) -> AgentResult:
        """Talk until everything that people said is answered; see `claude_talk`."""
        return await converse(ClaudeParser(), request, wire, host)


class ClaudeParser:
    """Reads the lines of one run.

    Text comes twice, in deltas and then as whole blocks; what the deltas gave is not given again. Lines of a
    sub-agent (`parent_tool_use_id`) show its tools, but what it says is not the answer.
    """

    def __init__(self) -> None:
        self._said = Transcript()
        self._text_seen = Streamed()
        self._thought_seen = Streamed()
        self._session: str | None = None
        self._result: Mapping[str, Any] | None = None
        self._usage: dict[str, Any] = {}
        self._session_usage: dict[str, float] = {}
        self._lost = False
        self._answers: list[str] = []
        self.turns = 0
        """Turns that have ended: one, unless people said something while it worked."""

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one line."""
        if not line.strip():
            return []
        fields = read_object(line)
        if fields is None or not (kind := text_of(fields.get("type"))):
            self._lost = self._lost or bool(_LOST.search(line))
            return [notice(line)]
        read = self._READERS.get(kind)
        return [] if read is None else read(self, fields)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Return what is known at the end; without a result line the run is a failure."""
        fields = self._result
        if fields is None:
            error = "Claude Code ended without a result." if exit_code == 0 else None
            lost = self._lost or bool(_LOST.search(stderr))
            return self._with(self._said.text, is_error=True, error=error, session_lost=lost)
        if fields.get("is_error") is not True and fields.get("subtype") == "success":
            return self._with("\n\n".join(self._answers) or self._said.last_message)
        error = _explain(fields)
        return self._with(
            self._said.text,
            is_error=True,
            error=error,
            session_lost=bool(_LOST.search(f"{error}\n{stderr}")),
            budget_spent=fields.get("terminal_reason") == "budget_exhausted",
        )

    def _with(self, text: str, **more: Any) -> AgentResult:
        used = {"usage": self._usage, "session_usage": self._session_usage}
        return AgentResult(text, **{"is_error": False, **used, **more}, session_id=self._session)

    def _system(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        # Lines of hooks come before `init` and carry an id that is not the session's when one is resumed.
        return self._note_session(fields) if fields.get("subtype") == "init" else []

    def _note_session(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("session_id"))
        if session is None or session == self._session:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _stream_event(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        if fields.get("parent_tool_use_id"):
            return []
        event = mapping_of(fields.get("event"))
        delta = mapping_of(event.get("delta"))
        match event.get("type"), delta.get("type"):
            case "content_block_start", _ if mapping_of(event.get("content_block")).get("type") == "text":
                self._said.start_message()
            case "content_block_delta", "text_delta":
                return self._said.add(self._text_seen.delta(text_of(delta.get("text"))))
            case "content_block_delta", "thinking_delta":
                return _thought(self._thought_seen.delta(text_of(delta.get("thinking"))))
        return []

    def _assistant(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        is_answer = not fields.get("parent_tool_use_id")
        events: list[AgentEvent] = []
        for block in objects_of(mapping_of(fields.get("message")).get("content")):
            match block.get("type"):
                case "text" if is_answer:
                    events += self._text(text_of(block.get("text")))
                case "thinking" if is_answer:
                    events += _thought(self._thought_seen.rest(text_of(block.get("thinking")))[0])
                case "tool_use":
                    events += _tool_call(block)
        return events

    def _text(self, whole: str) -> list[AgentEvent]:
        rest, is_new = self._text_seen.rest(whole)
        if is_new:
            self._said.start_message()
        return self._said.add(rest)

    def _user(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        blocks = objects_of(mapping_of(fields.get("message")).get("content"))
        return [_tool_result(block) for block in blocks if block.get("type") == "tool_result"]

    def _end(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._result = fields
        self.turns += 1
        if answer := text_of(fields.get("result")):
            self._answers.append(answer)
        usage, before = mapping_of(fields.get("usage")), self._usage
        input_tokens = sum(count_of(usage.get(name)) for name in _INPUT_COUNTS)
        self._usage = {
            "input_tokens": before.get("input_tokens", 0) + input_tokens,
            "output_tokens": before.get("output_tokens", 0) + count_of(usage.get("output_tokens")),
            "cost_usd": None,
        }
        if (cost := cost_of(fields.get("total_cost_usd"))) is not None:
            self._session_usage = {"cost_usd": cost}
        # A run that failed to resume names a session that does not exist.
        return [] if _LOST.search(_explain(fields)) else self._note_session(fields)

    _READERS: ClassVar[dict[str, Callable[[ClaudeParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "system": _system,
        "stream_event": _stream_event,
        "assistant": _assistant,
        "user": _user,
        "result": _end,
    }


def _servers(request: AgentRequest) -> tuple[list[str], dict[Path, bytes]]:
    """Return the options that name the run's MCP servers and let them be used, and their file."""
    if not request.mcp_servers:
        return [], {}
    path = private_file(request, "claude-mcp.json")
    allowed = ",".join(f"mcp__{server.name}" for server in request.mcp_servers)
    options = ["--mcp-config", str(path), "--strict-mcp-config", "--allowedTools", allowed]
    return options, {path: as_file(common_servers(request.mcp_servers))}


class Streamed:
    """What deltas have given and no whole block has confirmed yet."""

    def __init__(self) -> None:
        self._pending = ""

    def delta(self, piece: str) -> str:
        """Note the piece, and return it."""
        self._pending += piece
        return piece

    def rest(self, whole: str) -> tuple[str, bool]:
        """Return what of a whole block is still to be given, and whether the block is new."""
        pending = self._pending
        if pending and pending.startswith(whole):
            self._pending = pending[len(whole) :]
            return "", False
        self._pending = ""
        if pending and whole.startswith(pending):
            return whole[len(pending) :], False
        return whole, True


def _thought(text: str) -> list[AgentEvent]:
    return [AgentEvent(EventKind.THOUGHT, {"text": text})] if text else []


def _tool_call(block: Mapping[str, Any]) -> list[AgentEvent]:
    name, arguments = text_of(block.get("name")), mapping_of(block.get("input"))
    call = {"id": text_of(block.get("id")), "name": name, "summary": summarise_call(name, arguments)}
    events = [AgentEvent(EventKind.TOOL_CALL, call)]
    if steps := plan_steps(arguments.get("todos")):
        events.append(AgentEvent(EventKind.PLAN, {"steps": steps}))
    return events


def _tool_result(block: Mapping[str, Any]) -> AgentEvent:
    content = block.get("content")
    text = text_of(content) or "\n".join(text_of(part.get("text")) for part in objects_of(content))
    result = {"id": text_of(block.get("tool_use_id")), "ok": block.get("is_error") is not True}
    return AgentEvent(EventKind.TOOL_RESULT, {**result, "summary": shorten(text)})


def _explain(fields: Mapping[str, Any]) -> str:
    """Return why the run failed: the stated errors, else the text, else the name of the failure."""
    errors = fields.get("errors")
    stated = [text_of(error) for error in errors] if isinstance(errors, list) else []
    subtype = text_of(fields.get("subtype")).replace("_", " ")
    return (
        "; ".join(filter(None, stated)) or text_of(fields.get("result")) or f"Claude Code reported: {subtype}"
    )
