"""OpenCode: its command line, and the lines of `opencode run --format json` as events.

Source: OpenCode documentation, "CLI", and recorded runs of version 1.18. There is no last line that says how
it went: the run is complete when its last step did not end with the wish to use tools.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wireroom.backends.environment import agent_environment
from wireroom.backends.mcp_config import as_file, opencode_servers, private_file
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, EventKind, StreamParser
from wireroom.backends.wire import (
    Transcript,
    argument_of,
    cost_of,
    count_of,
    framed_prompt,
    mapping_of,
    message_in,
    name_of,
    notice,
    plan_steps,
    read_object,
    shorten,
    summarise_call,
    text_of,
)

ENVIRONMENT = ("OPENCODE_*", "ANTHROPIC_*", "OPENAI_*", "GEMINI_*", "GOOGLE_*", "OPENROUTER_*")
"""What OpenCode may see besides the common variables: its settings, and the keys of usual providers."""

_LOST = re.compile(r"Session not found", re.IGNORECASE)


class OpenCodeBackend:
    """Starts `opencode run`; the prompt goes to standard input."""

    name = "opencode"
    resumes_sessions = True

    def __init__(self, program: str, environment: Mapping[str, str]) -> None:
        self._program = program
        self._environment = agent_environment(environment, *ENVIRONMENT)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request.

        Raises:
            BadInput: the model (`provider/model`) or the session is not fit for a command line.
        """
        argv = [self._program, "run", "--format", "json", "--thinking"]
        if request.model:
            argv += ["--model", argument_of(request.model, "the model")]
        if request.effort:
            argv += ["--variant", request.effort]
        if request.session_id:
            argv += ["--session", argument_of(request.session_id, "the session")]
            argv += ["--fork"] if request.aside else []
        if request.aside:
            argv += ["--agent", "plan"]
        environment, files = dict(self._environment), {}
        if request.mcp_servers:
            path = private_file(request, "opencode.json")
            files[path] = as_file(opencode_servers(request.mcp_servers))
            environment["OPENCODE_CONFIG"] = str(path)
        return Command(tuple(argv), request.workdir, environment, framed_prompt(request), files)

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return OpenCodeParser()


class OpenCodeParser:
    """Reads the lines of one run; text and tools come whole, when they are complete."""

    def __init__(self) -> None:
        self._said = Transcript()
        self._session: str | None = None
        self._is_complete = False
        self._refusal = ""
        self._error = ""
        self._input_tokens = 0
        self._output_tokens = 0
        self._cost = 0.0
        self._usage: dict[str, Any] = {}

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one line."""
        if not line.strip():
            return []
        fields = read_object(line)
        if fields is None or not (kind := text_of(fields.get("type"))):
            return [notice(line)]
        read = self._READERS.get(kind)
        part = mapping_of(fields.get("error" if kind == "error" else "part"))
        return [*self._note_session(fields), *([] if read is None else read(self, part))]

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Return what is known at the end; without a last step the run is a failure."""
        if self._is_complete and not self._error:
            return self._with(self._said.last_message)
        error = self._error or self._refusal
        if exit_code == 0:
            error = error or "OpenCode ended before its work was complete."
        lost = not self._said.text and bool(_LOST.search(f"{self._error}\n{stderr}"))
        return self._with(self._said.text, is_error=True, error=error or None, session_lost=lost)

    def _with(self, text: str, **more: Any) -> AgentResult:
        return AgentResult(text, **{"is_error": False, **more}, session_id=self._session, usage=self._usage)

    def _note_session(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("sessionID"))
        if session is None or session == self._session:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _step(self, _part: Mapping[str, Any]) -> list[AgentEvent]:
        self._is_complete = False
        return []

    def _text(self, part: Mapping[str, Any]) -> list[AgentEvent]:
        self._said.start_message()
        return self._said.add(text_of(part.get("text")))

    def _reasoning(self, part: Mapping[str, Any]) -> list[AgentEvent]:
        text = text_of(part.get("text"))
        return [AgentEvent(EventKind.THOUGHT, {"text": text})] if text else []

    def _tool(self, part: Mapping[str, Any]) -> list[AgentEvent]:
        state, name, call = (
            mapping_of(part.get("state")),
            text_of(part.get("tool")),
            text_of(part.get("callID")),
        )
        arguments = mapping_of(state.get("input"))
        events = [
            AgentEvent(
                EventKind.TOOL_CALL, {"id": call, "name": name, "summary": summarise_call(name, arguments)}
            )
        ]
        if steps := plan_steps(arguments.get("todos")):
            events.append(AgentEvent(EventKind.PLAN, {"steps": steps}))
        is_done = state.get("status") == "completed"
        told = shorten(text_of(state.get("output" if is_done else "error")))
        self._refusal = "" if is_done else told
        # A command that failed is a call that was completed.
        ok = is_done and mapping_of(state.get("metadata")).get("exit") in {None, 0}
        return [*events, AgentEvent(EventKind.TOOL_RESULT, {"id": call, "ok": ok, "summary": told})]

    def _step_end(self, part: Mapping[str, Any]) -> list[AgentEvent]:
        self._is_complete = part.get("reason") != "tool-calls"
        tokens, cache = (
            mapping_of(part.get("tokens")),
            mapping_of(mapping_of(part.get("tokens")).get("cache")),
        )
        self._input_tokens += sum(map(count_of, (tokens.get("input"), cache.get("read"), cache.get("write"))))
        self._output_tokens += count_of(tokens.get("output")) + count_of(tokens.get("reasoning"))
        self._cost += cost_of(part.get("cost")) or 0.0
        self._usage = {
            "input_tokens": self._input_tokens,
            "output_tokens": self._output_tokens,
            # A model whose price it does not know costs 0 in its words.
            "cost_usd": self._cost or None,
        }
        return [AgentEvent(EventKind.USAGE, self._usage)]

    def _fail(self, error: Mapping[str, Any]) -> list[AgentEvent]:
        told = text_of(mapping_of(error.get("data")).get("message")) or text_of(error.get("name"))
        self._error = message_in(told) or "OpenCode reported a failure."
        return []

    _READERS: ClassVar[dict[str, Callable[[OpenCodeParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "step_start": _step,
        "text": _text,
        "reasoning": _reasoning,
        "tool_use": _tool,
        "step_finish": _step_end,
        "error": _fail,
    }
