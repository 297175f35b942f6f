"""The demo agent: needs no model, no key and no network, and really works in its folder.

Its program is `demo_agent`, started from beside this file with our own interpreter. It writes one JSON
object a line: `{"event": KIND, ...payload}` with the kinds and payloads of `protocol.EventKind`, and at the
end `{"event": "result", "ok": bool, "text": str, "error": str}`. `testing.ScriptedAgent` speaks the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from wireroom.backends.environment import agent_environment
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, EventKind, StreamParser
from wireroom.backends.wire import (
    Transcript,
    argument_of,
    name_of,
    notice,
    objects_of,
    read_object,
    shorten,
    text_of,
)

_PROGRAM = Path(__file__).with_name("demo_agent.py")


class DemoBackend:
    """Starts the demo agent; `environment` is ours, of which the child sees the allow list."""

    name = "demo"
    resumes_sessions = True

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = agent_environment(environment)

    def command(self, request: AgentRequest) -> Command:
        """Return the process that serves the request."""
        session = ("--session", argument_of(request.session_id, "the session")) if request.session_id else ()
        return Command(
            argv=(sys.executable, "-I", "-S", str(_PROGRAM), *session),
            cwd=request.workdir,
            env=self._environment,
            stdin=request.prompt.encode(errors="replace"),
        )

    def parser(self) -> StreamParser:
        """Return a fresh parser."""
        return DemoParser()


class DemoParser:
    """Reads the lines described above."""

    def __init__(self) -> None:
        self._said = Transcript()
        self._session: str | None = None
        self._result: Mapping[str, Any] | None = None

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one line."""
        if not line.strip():
            return []
        fields = read_object(line)
        if fields is None:
            return [notice(line)]
        read = self._READERS.get(text_of(fields.get("event")))
        return [notice(line)] if read is None else read(self, fields)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:  # noqa: ARG002 - the protocol's
        """Return what is known at the end; without a result line the run is a failure."""
        if self._result is None:
            error = "The agent ended without a result." if exit_code == 0 else None
            return AgentResult(self._said.text, is_error=True, error=error, session_id=self._session)
        failed = self._result.get("ok") is not True
        error = text_of(self._result.get("error")) or None
        text = text_of(self._result.get("text")) or self._said.text
        return AgentResult(text, is_error=failed, error=error if failed else None, session_id=self._session)

    def _text(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return self._said.add(text_of(fields.get("text")))

    def _thought(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return [AgentEvent(EventKind.THOUGHT, {"text": text_of(fields.get("text"))})]

    def _session_event(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        session = name_of(fields.get("session_id"))
        if session is None:
            return []
        self._session = session
        return [AgentEvent(EventKind.SESSION, {"session_id": session})]

    def _tool_call(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return [AgentEvent(EventKind.TOOL_CALL, _tool(fields) | {"name": text_of(fields.get("name"))})]

    def _tool_result(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return [AgentEvent(EventKind.TOOL_RESULT, _tool(fields) | {"ok": fields.get("ok") is True})]

    def _plan(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        return [AgentEvent(EventKind.PLAN, {"steps": _steps(fields.get("steps"))})]

    def _end(self, fields: Mapping[str, Any]) -> list[AgentEvent]:
        self._result = fields
        return []

    _READERS: ClassVar[dict[str, Callable[[DemoParser, Mapping[str, Any]], list[AgentEvent]]]] = {
        "text": _text,
        "thought": _thought,
        "session": _session_event,
        "tool_call": _tool_call,
        "tool_result": _tool_result,
        "plan": _plan,
        "result": _end,
    }


def _tool(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": text_of(fields.get("id")), "summary": shorten(text_of(fields.get("summary")))}


def _steps(value: object) -> list[dict[str, str]]:
    return [{"text": shorten(text_of(step.get("text"))), "state": _state(step)} for step in objects_of(value)]


def _state(step: Mapping[str, Any]) -> str:
    state = text_of(step.get("state"))
    return state if state in {"active", "done"} else "pending"
