"""Cursor's agent: its command line, and its `stream-json` lines as events.

Source: Cursor documentation, "CLI: Output format" and "Parameters". A failed run ends without a result line
and says why on stderr. Without a prompt on the command line, `--print` reads it from standard input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wireroom.backends.environment import agent_environment
from wireroom.backends.mcp_config import as_file, common_servers, private_file
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, EventKind, StreamParser
from wireroom.backends.wire import (
    Transcript,
    argument_of,
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

ENVIRONMENT = ("CURSOR_API_KEY", "CURSOR_CONFIG_DIR")
"""What Cursor's agent may see besides the common variables."""

_LOST = re.compile(
    r"\b(chat|conversation|session)\b[^\n]{0,80}\b(not found|does not exist|no longer exists|expired)"
    r"|\bno (chat|conversation|session)\b[^\n]{0,20}\bfound",
    re.IGNORECASE,
)
_FAILURES = ("error", "rejected", "failure", "permissionDenied")


class CursorBackend:
    """Starts `cursor-agent --print`; the prompt goes to standard input.

    It reads MCP servers from its HOME alone, where its sessions are too. So a run with servers gets a HOME of
    its own, needs `CURSOR_API_KEY`, and finds no session of before.
    """

    name = "cursor"

    def __init__(self, program: str, environment: Mapping[str, str], *, with_servers: bool = False) -> None:
        """Prepare; `with_servers` says that every run will have MCP servers."""
        self._program = program
        self.resumes_sessions = not with_servers
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request; `--force` because nobody could answer its questions.

        Raises:
            BadInput: the model or the session is not fit for a command line.
        """
        argv = [self._program, "--print", "--output-format", "stream-json"]
        argv += ["--mode=ask", "--trust"] if request.aside else ["--force"]
        argv += ["--model", argument_of(request.model or "auto", "the model")]
        environment, files = dict(self._environment), {}
        if request.mcp_servers:
            argv.append("--approve-mcps")
            path = private_file(request, "cursor-home/.cursor/mcp.json")
            files[path] = as_file(common_servers(request.mcp_servers))
            environment["HOME"] = str(path.parents[1])
        if request.session_id:
            argv += ["--resume", argument_of(request.session_id, "the session")]
        return Command(tuple(argv), request.workdir, environment, framed_prompt(request), files)

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return CursorParser()


class CursorParser:
    """Reads the lines of one run; there is one `assistant` line for each message between tool calls."""

    def __init__(self) -> None:
        self._said = Transcript()
        self._session: str | None = None
        self._result: Mapping[str, Any] | None = None
        self._usage: dict[str, Any] = {}

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
        """Return what is known at the end; without a result line the run is a failure."""
        fields = self._result
        if fields is None:
            error = "Cursor's agent ended without a result." if exit_code == 0 else None
            return self._with(self._said.text, is_error=True, error=error, session_lost=self._is_lost(stderr))
        answer = text_of(fields.get("result"))
        if fields.get("is_error") is True or fields.get("subtype") != "success":
            error = answer or "Cursor's agent reported a failure."
            return self._with(self._said.text, is_error=True, error=error, session_lost=self._is_lost(error))
        return self._with(self._said.last_message or answer)

    def _is_lost(self, told: str) -> bool:
        # Once it has said something the session was there, and the words mean something else.
        return not self._said.text and bool(_LOST.search(told))

    def _with(self, text: str, **more: Any) -> AgentResult:
        return AgentResult(text, **{"is_error": False, **more}, session_id=self._session, usage=self._usage)

    def _system(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("session_id"))
        if fields.get("subtype") != "init" or session is None:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _thinking(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        text = text_of(fields.get("text"))
        return [AgentEvent(EventKind.THOUGHT, {"text": text})] if text else []

    def _assistant(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        blocks = objects_of(mapping_of(fields.get("message")).get("content"))
        self._said.start_message()
        return self._said.add("".join(text_of(block.get("text")) for block in blocks))

    def _tool(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        call = text_of(fields.get("call_id"))
        name, arguments, result = _unwrap(mapping_of(fields.get("tool_call")))
        if fields.get("subtype") == "completed":
            ok = not any(key in result for key in _FAILURES)
            summary = _summarise_result(result)
            return [AgentEvent(EventKind.TOOL_RESULT, {"id": call, "ok": ok, "summary": summary})]
        told = {"id": call, "name": name, "summary": summarise_call(name, arguments)}
        events = [AgentEvent(EventKind.TOOL_CALL, told)]
        if steps := plan_steps(arguments.get("todos")):
            events.append(AgentEvent(EventKind.PLAN, {"steps": steps}))
        return events

    def _end(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._result = fields
        self._session = name_of(fields.get("session_id")) or self._session
        usage = mapping_of(fields.get("usage"))
        if not usage:
            return []
        self._usage = {
            "input_tokens": count_of(usage.get("inputTokens")),
            "output_tokens": count_of(usage.get("outputTokens")),
            "cost_usd": None,
        }
        return [AgentEvent(EventKind.USAGE, self._usage)]

    _READERS: ClassVar[dict[str, Callable[[CursorParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "system": _system,
        "thinking": _thinking,
        "assistant": _assistant,
        "tool_call": _tool,
        "result": _end,
    }


def _unwrap(call: Mapping[str, Any]) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return name, arguments and result of `{"readToolCall": {...}}` or `{"function": {...}}`."""
    function = mapping_of(call.get("function"))
    if function:
        arguments = read_object(text_of(function.get("arguments"))) or {}
        return text_of(function.get("name")), arguments, mapping_of(call.get("result"))
    for key, value in call.items():
        if key.endswith("ToolCall"):
            body = mapping_of(value)
            return (
                text_of(key).removesuffix("ToolCall"),
                mapping_of(body.get("args")),
                mapping_of(body.get("result")),
            )
    return "tool", {}, {}


def _summarise_result(result: Mapping[str, Any]) -> str:
    """Return the exit code of a command, the cause of a failure, or the beginning of what was read."""
    for outcome in result.values():
        fields = mapping_of(outcome)
        if isinstance(code := fields.get("exitCode"), int):
            return f"exit code {code}"
        for key in ("errorMessage", "error", "reason", "message", "content"):
            if text := text_of(fields.get(key)):
                return shorten(text)
    return ""
