"""Codex: its command line, and the lines of `codex exec --json` as events.

Source: Codex documentation, "Non-interactive mode", and recorded runs of codex-cli 0.169. Its tokens are
those of the whole session: a resumed one begins with what it used before, calls that were killed included.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wireroom.backends.codex_mcp import codex_servers
from wireroom.backends.environment import agent_environment
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, EventKind, StreamParser
from wireroom.backends.wire import (
    Transcript,
    argument_of,
    count_of,
    framed_prompt,
    mapping_of,
    message_in,
    name_of,
    notice,
    objects_of,
    read_object,
    shorten,
    summarise_call,
    text_of,
)

ENVIRONMENT = ("CODEX_*", "OPENAI_*")
"""What Codex may see besides the common variables: its keys and settings."""

_LOST = re.compile(r"no rollout found for thread id|thread not found|no saved session found", re.IGNORECASE)
_SHELL = re.compile(r"(?:\S*/)?(?:ba|z|da)?sh -l?c ")
_COUNTS = ("input_tokens", "output_tokens")
_TOOLS = ("command_execution", "file_change", "mcp_tool_call", "web_search")


class CodexBackend:
    """Starts `codex exec --json`; the prompt goes to standard input."""

    name = "codex"
    resumes_sessions = True

    def __init__(
        self, program: str, environment: Mapping[str, str], sandbox: str = "workspace-write"
    ) -> None:
        self._program = program
        self._sandbox = sandbox
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request.

        Raises:
            BadInput: the model or the session is not fit for a command line, or MCP servers contradict.
        """
        servers, variables = codex_servers(request.mcp_servers, self._environment)
        argv = [
            self._program,
            "exec",
            "--json",
            "--skip-git-repo-check",
            "--sandbox",
            "read-only" if request.aside else self._sandbox,
            *servers,
        ]
        for folder in request.folders:
            argv += ["--add-dir", str(folder)]
        if request.model:
            argv += ["--model", argument_of(request.model, "the model")]
        if request.effort:
            argv += ["--config", f'model_reasoning_effort="{request.effort}"']
        if request.session_id:
            argv += ["resume", argument_of(request.session_id, "the session")]
        environment = {**self._environment, **variables}
        return Command((*argv, "-"), request.workdir, environment, framed_prompt(request))

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return CodexParser()


class CodexParser:
    """Reads the lines of one run; a message comes whole, when it is complete."""

    def __init__(self) -> None:
        self._said = Transcript()
        self._started: set[str] = set()
        self._session: str | None = None
        self._is_complete = False
        self._error = ""
        self._session_usage: dict[str, int] = {}

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one line."""
        if not line.strip():
            return []
        fields = read_object(line)
        if fields is None or not (kind := text_of(fields.get("type"))):
            return [notice(line)]
        read = self._READERS.get(kind)
        return [] if read is None else read(self, fields)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Return what is known at the end; without a completed turn the run is a failure."""
        if self._is_complete:
            return self._with(self._said.last_message)
        error = self._error or ("Codex ended without completing its turn." if exit_code == 0 else None)
        lost = not self._said.text and bool(_LOST.search(f"{self._error}\n{stderr}"))
        return self._with(self._said.text, is_error=True, error=error, session_lost=lost)

    def _with(self, text: str, **more: Any) -> AgentResult:
        told = {"session_id": self._session, "session_usage": self._session_usage}
        return AgentResult(text, **{"is_error": False, **told, **more})

    def _thread(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("thread_id"))
        if session is None or session == self._session:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _turn(self, _fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._is_complete = False
        return []

    def _begin(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        item = mapping_of(fields.get("item"))
        if item.get("type") == "todo_list":
            return _plan(item)
        return self._call(item) if item.get("type") in _TOOLS else []

    def _call(self, item: Mapping[str, Any]) -> list[AgentEvent]:
        call = text_of(item.get("id"))
        self._started.add(call)
        return [AgentEvent(EventKind.TOOL_CALL, {"id": call, **_summarise(item)})]

    def _finish(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        item = mapping_of(fields.get("item"))
        match item.get("type"):
            case "agent_message":
                self._said.start_message()
                return self._said.add(text_of(item.get("text")))
            case "reasoning" if text := text_of(item.get("text")):
                return [AgentEvent(EventKind.THOUGHT, {"text": text})]
            case "error":
                return [notice(text_of(item.get("message")))]
            case "todo_list":
                return _plan(item)
            case kind if kind in _TOOLS:
                call = [] if text_of(item.get("id")) in self._started else self._call(item)
                return [*call, _tool_result(item)]
        return []

    def _complete(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._is_complete = True
        usage = mapping_of(fields.get("usage"))
        self._session_usage = {name: count_of(usage[name]) for name in _COUNTS if name in usage}
        return []

    def _fail(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._error = message_in(text_of(mapping_of(fields.get("error")).get("message"))) or "Codex failed."
        return []

    def _complain(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        # Also each attempt to connect again, after which all may be well.
        self._error = message_in(text_of(fields.get("message")))
        return [notice(self._error)]

    _READERS: ClassVar[dict[str, Callable[[CodexParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "thread.started": _thread,
        "turn.started": _turn,
        "item.started": _begin,
        "item.updated": _begin,
        "item.completed": _finish,
        "turn.completed": _complete,
        "turn.failed": _fail,
        "error": _complain,
    }


def _summarise(item: Mapping[str, Any]) -> dict[str, str]:
    """Return name and summary of a tool's use."""
    match item.get("type"):
        case "command_execution":
            name, told = "shell", inner_command(text_of(item.get("command")))
        case "file_change":
            paths = [text_of(change.get("path")) for change in objects_of(item.get("changes"))]
            name, told = "edit", " ".join(paths)
        case "mcp_tool_call":
            name = f"{text_of(item.get('server'))}.{text_of(item.get('tool'))}"
            return {"name": name, "summary": summarise_call(name, mapping_of(item.get("arguments")))}
        case _:
            name, told = "web search", text_of(item.get("query"))
    return {"name": name, "summary": shorten(f"{name}: {told}" if told else name)}


def inner_command(command: str) -> str:
    """Return the command inside `/bin/bash -lc '…'`; others as they are."""
    found = _SHELL.match(command)
    if found is None:
        return command
    try:
        words = shlex.split(command[found.end() :])
    except ValueError:
        return command
    return words[0] if len(words) == 1 else command


def _tool_result(item: Mapping[str, Any]) -> AgentEvent:
    error = mapping_of(item.get("error"))
    told = (text_of(item.get("aggregated_output")), text_of(error.get("message")), _content(item))
    ok = item.get("status") not in {"failed", "declined"} and not error
    summary = shorten(next(filter(None, told), ""))
    return AgentEvent(EventKind.TOOL_RESULT, {"id": text_of(item.get("id")), "ok": ok, "summary": summary})


def _content(item: Mapping[str, Any]) -> str:
    content = objects_of(mapping_of(item.get("result")).get("content"))
    return "\n".join(text_of(part.get("text")) for part in content)


def _plan(item: Mapping[str, Any]) -> list[AgentEvent]:
    steps = [
        {"text": shorten(text), "state": "done" if step.get("completed") is True else "pending"}
        for step in objects_of(item.get("items"))
        if (text := text_of(step.get("text")))
    ]
    return [AgentEvent(EventKind.PLAN, {"steps": steps})] if steps else []
