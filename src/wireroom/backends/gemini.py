"""Gemini CLI: its command line, and its `stream-json` lines as events.

Source: Gemini CLI documentation, "Headless mode", and recorded runs of version 0.61.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wireroom.backends.environment import agent_environment
from wireroom.backends.mcp_config import as_file, gemini_servers, private_file
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
    read_object,
    shorten,
    summarise_call,
    text_of,
)

ENVIRONMENT = ("GEMINI_*", "GOOGLE_*")
"""What Gemini CLI may see besides the common variables: its keys and settings."""

_WITH_KEY = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
_LOST = re.compile(r"Invalid session identifier|No previous sessions found", re.IGNORECASE)


class GeminiBackend:
    """Starts `gemini`, without a terminal; the prompt goes to standard input.

    `--skip-trust`, because without a terminal it refuses to work in a folder that nobody declared trusted.
    It reads MCP servers from its home alone, where its sessions are too. So a run with servers gets a home of
    its own, needs `GEMINI_API_KEY`, and finds no session of before.
    """

    name = "gemini"

    def __init__(
        self,
        program: str,
        environment: Mapping[str, str],
        approval_mode: str = "auto_edit",
        *,
        with_servers: bool = False,
    ) -> None:
        """Prepare; `with_servers` says that every run will have MCP servers."""
        self._program = program
        self.resumes_sessions = not with_servers
        self._approval_mode = approval_mode
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request.

        Raises:
            BadInput: the model or the session is not fit for a command line.
        """
        argv = [self._program, "--output-format", "stream-json", "--skip-trust"]
        argv += ["--approval-mode", "plan" if request.aside else self._approval_mode]
        argv += [f"--include-directories={folder}" for folder in request.folders]
        if request.model:
            argv += ["--model", argument_of(request.model, "the model")]
        environment, files = dict(self._environment), {}
        if request.mcp_servers:
            path = private_file(request, "gemini-home/.gemini/settings.json")
            files[path] = as_file(_WITH_KEY | gemini_servers(request.mcp_servers))
            environment["GEMINI_CLI_HOME"] = str(path.parents[1])
        if request.session_id:
            argv += ["--resume", argument_of(request.session_id, "the session")]
        return Command(tuple(argv), request.workdir, environment, framed_prompt(request), files)

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return GeminiParser()


class GeminiParser:
    """Reads the lines of one run; text comes in pieces, and a tool's use ends a message."""

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
            error = "Gemini ended without a result." if exit_code == 0 else None
            lost = not self._said.text and bool(_LOST.search(stderr))
            return self._with(self._said.text, is_error=True, error=error, session_lost=lost)
        if fields.get("status") == "success":
            return self._with(self._said.last_message)
        error = message_in(text_of(mapping_of(fields.get("error")).get("message")))
        return self._with(self._said.text, is_error=True, error=error or "Gemini reported a failure.")

    def _with(self, text: str, **more: Any) -> AgentResult:
        return AgentResult(text, **{"is_error": False, **more}, session_id=self._session, usage=self._usage)

    def _init(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("session_id"))
        if session is None or session == self._session:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _message(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        if fields.get("role") != "assistant":
            return []
        if fields.get("delta") is not True:
            self._said.start_message()
        return self._said.add(text_of(fields.get("content")))

    def _tool_use(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._said.start_message()
        name = text_of(fields.get("tool_name"))
        summary = summarise_call(name, mapping_of(fields.get("parameters")))
        call = {"id": text_of(fields.get("tool_id")), "name": name, "summary": summary}
        return [AgentEvent(EventKind.TOOL_CALL, call)]

    def _tool_result(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        told = text_of(fields.get("output")) or text_of(mapping_of(fields.get("error")).get("message"))
        ok = fields.get("status") == "success"
        result = {"id": text_of(fields.get("tool_id")), "ok": ok, "summary": shorten(told)}
        return [AgentEvent(EventKind.TOOL_RESULT, result)]

    def _error(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return [notice(text_of(fields.get("message")))]

    def _end(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._result = fields
        stats = mapping_of(fields.get("stats"))
        self._usage = {
            "input_tokens": count_of(stats.get("input_tokens")),
            "output_tokens": count_of(stats.get("output_tokens")),
            "cost_usd": None,
        }
        return [AgentEvent(EventKind.USAGE, self._usage)]

    _READERS: ClassVar[dict[str, Callable[[GeminiParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "init": _init,
        "message": _message,
        "tool_use": _tool_use,
        "tool_result": _tool_result,
        "error": _error,
        "result": _end,
    }
