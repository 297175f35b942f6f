"""Anthropic Messages. Source: Anthropic API reference, "Messages" and "Streaming messages"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wireroom.testing.model_endpoint.conversation import (
    Asked,
    Message,
    Reply,
    Role,
    StreamEvent,
    joined_text,
    objects,
    tool_names,
)


class AnthropicMessages:
    """POST /v1/messages."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body asks for."""
        system = Message(Role.SYSTEM, joined_text(body.get("system")))
        said = [part for message in objects(body.get("messages")) for part in _parts(message)]
        model, streams = str(body.get("model", "")), body.get("stream") is True
        return Asked(model, (system, *said), tool_names(body.get("tools")), streams)

    def stream(self, reply: Reply) -> Iterator[StreamEvent]:
        """Return the reply as events."""
        for data in _events(reply):
            yield StreamEvent(data, name=data["type"])

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """Return the reply as one body."""
        block: dict[str, Any] = {"type": "text", "text": reply.text}
        if reply.call is not None:
            block = {**_tool_use(reply), "input": dict(reply.call.arguments)}
        usage = {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens}
        return {**_message(reply), "content": [block], "stop_reason": _stop_reason(reply), "usage": usage}

    def failure(self, status: int, message: str) -> Mapping[str, Any]:
        """Return the body of an error."""
        kind = "invalid_request_error" if status < 500 else "api_error"  # noqa: PLR2004 - where servers' own begin
        return {"type": "error", "error": {"type": kind, "message": message}}


def _parts(message: Mapping[str, Any]) -> Iterator[Message]:
    role = Role.MODEL if message.get("role") == "assistant" else Role.USER
    for block in objects(message.get("content")):
        match block.get("type"):
            case "text":
                yield Message(role, str(block.get("text", "")))
            case "tool_use":
                yield Message(Role.MODEL, str(block.get("name", "")))
            case "tool_result":
                yield Message(Role.TOOL, joined_text(block.get("content")))


def _events(reply: Reply) -> Iterator[dict[str, Any]]:
    usage = {"input_tokens": reply.input_tokens, "output_tokens": 1}
    yield {"type": "message_start", "message": {**_message(reply), "usage": usage}}
    block = {"type": "text", "text": ""} if reply.call is None else _tool_use(reply)
    yield {"type": "content_block_start", "index": 0, "content_block": block}
    for delta in _deltas(reply):
        yield {"type": "content_block_delta", "index": 0, "delta": delta}
    yield {"type": "content_block_stop", "index": 0}
    ended = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": reply.output_tokens}}
    yield {"type": "message_stop"}


def _message(reply: Reply) -> dict[str, Any]:
    head = {"id": f"msg_{reply.number:024}", "type": "message", "role": "assistant", "model": reply.model}
    return {**head, "content": [], "stop_reason": None, "stop_sequence": None}


def _tool_use(reply: Reply) -> dict[str, Any]:
    name = reply.call.name if reply.call else ""
    return {"type": "tool_use", "id": f"toolu_{reply.number:024}", "name": name, "input": {}}


def _deltas(reply: Reply) -> list[dict[str, Any]]:
    if reply.call is not None:
        return [{"type": "input_json_delta", "partial_json": reply.arguments()}]
    return [{"type": "text_delta", "text": piece} for piece in reply.pieces()]


def _stop_reason(reply: Reply) -> str:
    return "end_turn" if reply.call is None else "tool_use"
