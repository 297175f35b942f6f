"""A request for a model's words, and the reply, in no API's own words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """Whose a message is."""

    SYSTEM = "system"
    """The agent's instructions."""
    USER = "user"
    """A person's words, and what the agent's program adds to them."""
    MODEL = "model"
    """What the model said, or the tool it called."""
    TOOL = "tool"
    """What a tool returned."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, or one part of it, of the conversation so far."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks for."""

    model: str
    messages: tuple[Message, ...]
    """Oldest first."""
    tools: frozenset[str] = frozenset()
    """Names of the tools that the model may call."""
    streams: bool = False
    schema: Mapping[str, Any] | None = None
    """JSON schema that the whole answer must fit; agents ask such things of a model for themselves."""

    def texts(self, role: Role) -> list[str]:
        """Return the texts of one side, oldest first."""
        return [message.text for message in self.messages if message.role is role]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that the model wants to be used."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model answers: text, or a call of a tool."""

    number: int
    """Unique within one endpoint; ids are made from it."""
    model: str
    text: str = ""
    call: ToolCall | None = None
    input_tokens: int = 100
    output_tokens: int = 10

    def pieces(self) -> list[str]:
        """Return the text in the pieces in which it is streamed: words, each with the space before it."""
        return re.findall(r"\s*\S+\s*$|\s*\S+", self.text)

    def arguments(self) -> str:
        """Return the call's arguments as JSON."""
        return json.dumps(dict(self.call.arguments) if self.call else {})


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One server-sent event."""

    data: Mapping[str, Any] | str
    name: str = field(default="", kw_only=True)
    """The event's type, where the API names it beside the data."""

    def encode(self) -> bytes:
        """Return the event as it stands on the wire. Source: WHATWG HTML, server-sent events."""
        data = self.data if isinstance(self.data, str) else json.dumps(self.data)
        head = f"event: {self.name}\n" if self.name else ""
        return f"{head}data: {data}\n\n".encode()


class Wire(Protocol):
    """One API: reads its requests, writes its replies."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Return what the body asks for."""
        ...

    def stream(self, reply: Reply) -> Iterator[StreamEvent]:
        """Return the reply as events; all but the first may be withheld."""
        ...

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """Return the reply as one body."""
        ...

    def failure(self, status: int, message: str) -> Mapping[str, Any]:
        """Return the body of an error."""
        ...


def smallest_value(schema: Mapping[str, Any]) -> Any:
    """Return a small value that fits a JSON schema of types, properties and enumerations."""
    if isinstance(choices := schema.get("enum"), list) and choices:
        return choices[0]
    match str(schema.get("type", "string")).lower():
        case "object":
            properties = schema.get("properties")
            known = properties.items() if isinstance(properties, dict) else ()
            return {name: smallest_value(part) for name, part in known if isinstance(part, dict)}
        case "array":
            return []
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    return "scripted"


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; a text counts as one object of type `text`."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def joined_text(value: Any) -> str:
    """Return the texts of a content, which is a text or a list of parts."""
    return "\n".join(text for part in objects(value) if isinstance(text := part.get("text"), str))


def tool_names(tools: Any) -> frozenset[str]:
    """Return the names of a list of tools, those of a namespace as `namespace.name`."""
    return frozenset(_tool_names(tools))


def _tool_names(tools: Any) -> Iterator[str]:
    for tool in objects(tools):
        function = tool.get("function")
        name = str((function if isinstance(function, dict) else tool).get("name", ""))
        if tool.get("type") == "namespace":
            yield from (f"{name}.{inner}" for inner in _tool_names(tool.get("tools")))
        elif name:
            yield name
