"""OpenAI Chat Completions. Source: OpenAI API reference, "Chat Completions" and its streaming."""

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

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.MODEL,
    "tool": Role.TOOL,
}


class OpenAIChat:
    """POST /v1/chat/completions."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body asks for."""
        said = [
            Message(_ROLES.get(str(message.get("role")), Role.USER), joined_text(message.get("content")))
            for message in objects(body.get("messages"))
        ]
        model, streams = str(body.get("model", "")), body.get("stream") is True
        return Asked(model, tuple(said), tool_names(body.get("tools")), streams)

    def stream(self, reply: Reply) -> Iterator[StreamEvent]:
        """Return the reply as chunks and the word that ends them."""
        yield _chunk(reply, {"role": "assistant", "content": ""})
        if reply.call is not None:
            yield _chunk(reply, {"tool_calls": [{"index": 0, **_tool_call(reply)}]})
        for piece in reply.pieces():
            yield _chunk(reply, {"content": piece})
        yield _chunk(reply, {}, finish_reason=_finish_reason(reply))
        yield StreamEvent({**_head(reply, "chat.completion.chunk"), "choices": [], "usage": _usage(reply)})
        yield StreamEvent("[DONE]")

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """Return the reply as one body."""
        message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
        if reply.call is not None:
            message["tool_calls"] = [_tool_call(reply)]
        choice = {"index": 0, "message": message, "finish_reason": _finish_reason(reply)}
        return {**_head(reply, "chat.completion"), "choices": [choice], "usage": _usage(reply)}

    def failure(self, status: int, message: str) -> Mapping[str, Any]:
        """Return the body of an error."""
        return {"error": {"message": message, "type": "scripted_error", "code": str(status), "param": None}}


def _chunk(reply: Reply, delta: Mapping[str, Any], finish_reason: str | None = None) -> StreamEvent:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return StreamEvent({**_head(reply, "chat.completion.chunk"), "choices": [choice]})


def _head(reply: Reply, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{reply.number}", "object": kind, "created": 0, "model": reply.model}


def _tool_call(reply: Reply) -> dict[str, Any]:
    function = {"name": reply.call.name if reply.call else "", "arguments": reply.arguments()}
    return {"id": f"call_{reply.number}", "type": "function", "function": function}


def _finish_reason(reply: Reply) -> str:
    return "stop" if reply.call is None else "tool_calls"


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
