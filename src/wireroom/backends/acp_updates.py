"""What an agent tells over the Agent Client Protocol while it works, as events; and what it asks for. Pure.

Source: agentclientprotocol.com, "Prompt turn", "Tool calls", "Agent plan". Values are trusted in nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from wireroom.backends.protocol import AgentEvent, AgentResult, EventKind, PermissionQuestion
from wireroom.backends.wire import (
    Transcript,
    cost_of,
    count_of,
    mapping_of,
    objects_of,
    plan_steps,
    shorten,
    summarise_call,
    text_of,
)

_MOST_TOOL_CALLS = 1000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
_DONE = frozenset({"completed", "failed"})
_FAILURES = {
    "max_tokens": "The agent reached the longest answer that its model gives.",
    "max_turn_requests": "The agent reached its limit of steps.",
    "refusal": "The agent refused to do this.",
    "cancelled": "The agent was stopped.",
}
_INPUT_COUNTS = ("inputTokens", "cachedReadTokens", "cachedWriteTokens")


@dataclass(slots=True)
class _ToolCall:
    """What is known of one use of a tool, gathered from several messages."""

    kind: str = ""
    title: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    paths: tuple[str, ...] = ()
    name: str = ""
    announced: bool = False
    over: bool = False

    def learn(self, told: Mapping[str, Any]) -> None:
        """Take what a message says about it; what it does not say stays."""
        self.kind = text_of(told.get("kind")) or self.kind
        self.title = text_of(told.get("title")) or self.title
        self.input = mapping_of(told.get("rawInput")) or self.input
        paths = tuple(filter(None, (text_of(one.get("path")) for one in objects_of(told.get("locations")))))
        self.paths = paths or self.paths
        meta = mapping_of(mapping_of(told.get("_meta")).get("claudeCode"))
        self.name = text_of(meta.get("toolName")) or self.name

    @property
    def tool(self) -> str:
        """What rules go by: the kind, or for another kind the tool's own name."""
        if self.kind and self.kind != "other":
            return shorten(self.kind, 64)
        found = _NAME.search(self.name or self.title)
        return found.group() if found else "other"

    @property
    def subject(self) -> str:
        """What it is used with, in one line."""
        command = self.input.get("command")
        if isinstance(command, list):
            return shorten(" ".join(text_of(word) for word in command))
        told = summarise_call("", self.input).removeprefix(": ")
        return told or shorten(self.title or " ".join(self.paths) or "(not told)")


class UpdateReader:
    """Reads the updates of one turn."""

    def __init__(self) -> None:
        self._said = Transcript()
        self._message: str | None = None
        self._goes_on = False
        self._calls: dict[str, _ToolCall] = {}
        self._usage: dict[str, Any] = {}
        self._session_usage: dict[str, float] = {}

    def feed(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        """Return the events of one update; kinds that are not known have none."""
        read = self._READERS.get(text_of(update.get("sessionUpdate")))
        return [] if read is None else read(self, update)

    def question(self, asked: Mapping[str, Any]) -> tuple[list[AgentEvent], PermissionQuestion]:
        """Return what an agent wants to be allowed, and the event of the tool call it is about."""
        told = mapping_of(asked.get("toolCall"))
        call_id = text_of(told.get("toolCallId"))
        call = self._call(call_id)
        call.learn(told)
        about: Any = call.input or [call.title, call.paths, told.get("content")]
        known = json.dumps([call.tool, about], sort_keys=True, default=str)
        digest = hashlib.sha256(known.encode(errors="replace")).hexdigest()
        return self._announce(call_id, call), PermissionQuestion(call.tool, call.subject, digest)

    def result(
        self, answer: Mapping[str, Any], session_id: str | None
    ) -> tuple[list[AgentEvent], AgentResult]:
        """Return how the turn ended, and the event of what it used; only `end_turn` is a success."""
        events = self._note_usage(_usage_of(answer))
        reason = text_of(answer.get("stopReason"))
        if reason == "end_turn":
            text = self._said.last_message or self._said.text
            return events, AgentResult(
                text,
                is_error=False,
                session_id=session_id,
                usage=self._usage,
                session_usage=self._session_usage,
            )
        error = _FAILURES.get(reason, f"The agent stopped: {reason or 'it gave no reason'}.")
        return events, self.failure(error, session_id)

    def failure(
        self, error: str | None, session_id: str | None, *, session_lost: bool = False
    ) -> AgentResult:
        """Return the result of a turn that did not come to its end."""
        return AgentResult(
            self._said.text,
            is_error=True,
            error=error,
            session_id=session_id,
            session_lost=session_lost,
            usage=self._usage,
            session_usage=self._session_usage,
        )

    def _text(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        message = text_of(update.get("messageId")) or None
        if not self._goes_on or message != self._message:
            self._said.start_message()
        self._goes_on, self._message = True, message
        return self._said.add(_content(update.get("content")))

    def _thought(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        text = _content(update.get("content"))
        self._goes_on = False
        return [AgentEvent(EventKind.THOUGHT, {"text": text})] if text else []

    def _tool(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        self._goes_on = False
        call_id = text_of(update.get("toolCallId"))
        call = self._call(call_id)
        call.learn(update)
        status = text_of(update.get("status"))
        events: list[AgentEvent] = []
        if call.input or status not in {"", "pending"}:
            events += self._announce(call_id, call)
        if status in _DONE and not call.over:
            call.over = True
            result = {"id": call_id, "ok": status == "completed", "summary": shorten(_outcome(update))}
            events.append(AgentEvent(EventKind.TOOL_RESULT, result))
        return events

    def _plan(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        steps = plan_steps(update.get("entries"))
        return [AgentEvent(EventKind.PLAN, {"steps": steps})] if steps else []

    def _spent(self, update: Mapping[str, Any]) -> list[AgentEvent]:
        cost = mapping_of(update.get("cost"))
        if cost.get("currency") == "USD" and (amount := cost_of(cost.get("amount"))) is not None:
            # Source: Agent Client Protocol, "Session usage updates": the cost is the session's.
            self._session_usage = {"cost_usd": amount}
        return []

    def _call(self, call_id: str) -> _ToolCall:
        if call_id not in self._calls and len(self._calls) >= _MOST_TOOL_CALLS:
            del self._calls[next(iter(self._calls))]
        return self._calls.setdefault(call_id, _ToolCall())

    def _announce(self, call_id: str, call: _ToolCall) -> list[AgentEvent]:
        if call.announced:
            return []
        call.announced = True
        summary = shorten(f"{call.tool}: {call.subject}")
        return [AgentEvent(EventKind.TOOL_CALL, {"id": call_id, "name": call.tool, "summary": summary})]

    def _note_usage(self, usage: Mapping[str, Any]) -> list[AgentEvent]:
        if not usage:
            return []
        self._usage = {
            "input_tokens": sum(count_of(usage.get(name)) for name in _INPUT_COUNTS),
            "output_tokens": count_of(usage.get("outputTokens")),
            "cost_usd": None,
        }
        return [] if self._session_usage else [AgentEvent(EventKind.USAGE, self._usage)]

    _READERS: ClassVar[dict[str, Callable[[UpdateReader, Mapping[str, Any]], list[AgentEvent]]]] = {
        "agent_message_chunk": _text,
        "agent_thought_chunk": _thought,
        "tool_call": _tool,
        "tool_call_update": _tool,
        "plan": _plan,
        "usage_update": _spent,
    }


def _usage_of(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the turn used; Gemini tells it in a place of its own."""
    quota = mapping_of(mapping_of(answer.get("_meta")).get("quota"))
    counted = mapping_of(quota.get("token_count"))
    elsewhere = {"inputTokens": counted.get("input_tokens"), "outputTokens": counted.get("output_tokens")}
    return mapping_of(answer.get("usage")) or (elsewhere if counted else {})


def _content(block: object) -> str:
    """Return the text of a block of content; of a link its address."""
    fields = mapping_of(block)
    return text_of(fields.get("text")) or text_of(fields.get("uri"))


def _outcome(update: Mapping[str, Any]) -> str:
    """Return what a tool gave: its shown content, else its raw output."""
    blocks = objects_of(update.get("content"))
    shown = " ".join(filter(None, (_content(block.get("content")) for block in blocks)))
    changed = " ".join(filter(None, (text_of(block.get("path")) for block in blocks)))
    raw = update.get("rawOutput")
    return shown or changed or text_of(raw) or text_of(mapping_of(raw).get("output"))
