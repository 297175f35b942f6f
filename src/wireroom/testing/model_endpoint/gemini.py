"""Gemini. Source: Gemini API reference, "generateContent" and "streamGenerateContent"."""

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
)


class Gemini:
    """POST /v1beta/models/MODEL:generateContent and :streamGenerateContent.

    Model and streaming stand in the path; the server puts them into the body as `model` and `stream`.
    """

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body asks for."""
        instruction = body.get("systemInstruction")
        parts = instruction.get("parts") if isinstance(instruction, dict) else None
        system = Message(Role.SYSTEM, joined_text(parts))
        said = [part for content in objects(body.get("contents")) for part in _parts(content)]
        tools = frozenset(
            str(declared.get("name"))
            for tool in objects(body.get("tools"))
            for declared in objects(tool.get("functionDeclarations"))
        )
        model, streams = str(body.get("model", "")), body.get("stream") is True
        return Asked(model, (system, *said), tools, streams, _schema(body.get("generationConfig")))

    def stream(self, reply: Reply) -> Iterator[StreamEvent]:
        """Return the reply as chunks of candidates."""
        if reply.call is not None:
            yield StreamEvent(self.whole(reply))
            return
        *pieces, last = reply.pieces() or [""]
        for piece in pieces:
            yield StreamEvent(_candidates(reply, {"text": piece}, None))
        yield StreamEvent(_candidates(reply, {"text": last}, "STOP"))

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """Return the reply as one body."""
        if reply.call is None:
            return _candidates(reply, {"text": reply.text}, "STOP")
        call = {"name": reply.call.name, "args": dict(reply.call.arguments)}
        return _candidates(reply, {"functionCall": call}, "STOP")

    def failure(self, status: int, message: str) -> Mapping[str, Any]:
        """Return the body of an error."""
        return {"error": {"code": status, "message": message, "status": "SCRIPTED"}}


def _schema(config: Any) -> Mapping[str, Any] | None:
    given = config if isinstance(config, dict) else {}
    schema = given.get("responseJsonSchema", given.get("responseSchema"))
    return schema if isinstance(schema, dict) else None


def _parts(content: Mapping[str, Any]) -> Iterator[Message]:
    role = Role.MODEL if content.get("role") == "model" else Role.USER
    for part in objects(content.get("parts")):
        if isinstance(call := part.get("functionCall"), dict):
            yield Message(Role.MODEL, str(call.get("name", "")))
        elif isinstance(answer := part.get("functionResponse"), dict):
            yield Message(Role.TOOL, str(answer.get("response", "")))
        elif isinstance(text := part.get("text"), str):
            yield Message(role, text)


def _candidates(reply: Reply, part: Mapping[str, Any], finish_reason: str | None) -> dict[str, Any]:
    content = {"role": "model", "parts": [part]}
    candidate: dict[str, Any] = {"index": 0, "content": content}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    usage = {
        "promptTokenCount": reply.input_tokens,
        "candidatesTokenCount": reply.output_tokens,
        "totalTokenCount": reply.input_tokens + reply.output_tokens,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": reply.model}
