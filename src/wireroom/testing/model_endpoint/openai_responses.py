"""OpenAI Responses. Source: OpenAI API reference, "Responses" and "Streaming events"."""

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

_ROLES = {"user": Role.USER, "assistant": Role.MODEL}


class OpenAIResponses:
    """POST /v1/responses."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body asks for; `input` is a text or a list of items."""
        given = body.get("input")
        items = [{"role": "user", "content": given}] if isinstance(given, str) else objects(given)
        system = Message(Role.SYSTEM, str(body.get("instructions") or ""))
        model, streams = str(body.get("model", "")), body.get("stream") is True
        said = (_message(item) for item in items)
        return Asked(model, (system, *said), tool_names(body.get("tools")), streams)

    def stream(self, reply: Reply) -> Iterator[StreamEvent]:
        """Return the reply as numbered events."""
        for number, data in enumerate(_events(reply)):
            yield StreamEvent({**data, "sequence_number": number}, name=data["type"])

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """Return the reply as one body."""
        return _response(reply, "completed", [_item(reply, "completed")])

    def failure(self, status: int, message: str) -> Mapping[str, Any]:
        """Return the body of an error."""
        return {"error": {"message": message, "type": "scripted_error", "code": str(status), "param": None}}


def _message(item: Mapping[str, Any]) -> Message:
    kind = str(item.get("type", "message"))
    if kind == "message":
        role = _ROLES.get(str(item.get("role")), Role.SYSTEM)
        return Message(role, joined_text(item.get("content")))
    if kind.endswith("_output"):
        output = item.get("output")
        return Message(Role.TOOL, joined_text(output) or str(output))
    return Message(Role.MODEL, str(item.get("name", kind)))


def _events(reply: Reply) -> Iterator[dict[str, Any]]:
    yield {"type": "response.created", "response": _response(reply, "in_progress", [])}
    yield {"type": "response.output_item.added", "output_index": 0, "item": _item(reply, "in_progress")}
    yield from _text_events(reply) if reply.call is None else _call_events(reply)
    item = _item(reply, "completed")
    yield {"type": "response.output_item.done", "output_index": 0, "item": item}
    yield {"type": "response.completed", "response": _response(reply, "completed", [item])}


def _text_events(reply: Reply) -> Iterator[dict[str, Any]]:
    place = {"item_id": _item_id(reply), "output_index": 0, "content_index": 0}
    yield {"type": "response.content_part.added", **place, "part": _part("")}
    for piece in reply.pieces():
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": reply.text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": _part(reply.text)}


def _call_events(reply: Reply) -> Iterator[dict[str, Any]]:
    place = {"item_id": _item_id(reply), "output_index": 0}
    arguments = reply.arguments()
    yield {"type": "response.function_call_arguments.delta", **place, "delta": arguments}
    yield {"type": "response.function_call_arguments.done", **place, "arguments": arguments}


def _item_id(reply: Reply) -> str:
    return f"{'msg' if reply.call is None else 'fc'}_{reply.number}"


def _item(reply: Reply, status: str) -> dict[str, Any]:
    is_done = status == "completed"
    head = {"id": _item_id(reply), "status": status}
    if reply.call is None:
        content = [_part(reply.text)] if is_done else []
        return {**head, "type": "message", "role": "assistant", "content": content}
    namespace, _, name = reply.call.name.rpartition(".")
    call = {"call_id": f"call_{reply.number}", "name": name} | ({"namespace": namespace} if namespace else {})
    return {**head, "type": "function_call", **call, "arguments": reply.arguments() if is_done else ""}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(reply: Reply, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    head = {"id": f"resp_{reply.number}", "object": "response", "created_at": 0, "model": reply.model}
    usage = {
        "input_tokens": reply.input_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": reply.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }
    return {**head, "status": status, "output": output, "usage": usage if status == "completed" else None}
