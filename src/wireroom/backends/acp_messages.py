"""Messages of the Agent Client Protocol: JSON-RPC 2.0, one object a line. Pure.

Source: agentclientprotocol.com, protocol version 1; JSON-RPC 2.0. The official Python SDK is the oracle of
the tests, not the engine: its models take a second and 25 MB to import, its connection makes a task of every
notification, as fast as an agent writes them, and refuses what a newer agent adds to a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wireroom import __version__
from wireroom.backends.protocol import AgentRequest, McpServer
from wireroom.backends.wire import count_of, framed_prompt, mapping_of, objects_of, read_object, text_of

PROTOCOL_VERSION = 1
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
AUTH_REQUIRED = -32000
NOT_FOUND = -32002
"""Source: agentclientprotocol.com, "Error codes": resource not found."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The agent asks for something and waits for the answer."""

    id: int | str
    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """The agent tells something."""

    method: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a request of ours."""

    id: int | str | None
    result: Mapping[str, Any]
    error: str | None = None
    """What went wrong, None when nothing did."""
    code: int = 0
    """The kind of error, negative."""


def read_message(line: str) -> Asked | Told | Answered | None:
    """Return the message of one line; None when it is none."""
    fields = read_object(line)
    if fields is None:
        return None
    number, method = fields.get("id"), text_of(fields.get("method"))
    if method and "id" not in fields:
        return Told(method, mapping_of(fields.get("params")))
    if not isinstance(number, int | str):
        return None
    if method:
        return Asked(number, method, mapping_of(fields.get("params")))
    if "error" in fields:
        return _failed(number, mapping_of(fields["error"]))
    return Answered(number, mapping_of(fields.get("result"))) if "result" in fields else None


def request(number: int, method: str, params: Mapping[str, Any]) -> str:
    """Return the line that asks for something."""
    return _line(id=number, method=method, params=params)


def notification(method: str, params: Mapping[str, Any]) -> str:
    """Return the line that tells something."""
    return _line(method=method, params=params)


def answer(number: int | str, result: Mapping[str, Any]) -> str:
    """Return the line that answers a request."""
    return _line(id=number, result=result)


def refusal(number: int | str, code: int, message: str) -> str:
    """Return the line that answers a request with an error."""
    return _line(id=number, error={"code": code, "message": message})


def initialize() -> dict[str, Any]:
    """Return what we can do: write files of the folder; agents read and run for themselves.

    Reading is served when asked for, but not offered: we have no unsaved text that an agent could not see,
    and Gemini's (0.61) takes the error that a file is missing for a broken file.
    """
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": True}, "terminal": False},
        "clientInfo": {"name": "wireroom", "title": "Wireroom", "version": __version__},
    }


def session_params(asked: AgentRequest, servers: Sequence[McpServer]) -> dict[str, Any]:
    """Return where to work and with which MCP servers, for every way to open a session."""
    return {"cwd": str(asked.workdir.absolute()), "mcpServers": [_server(server) for server in servers]}


def prompt(session_id: str, asked: AgentRequest) -> dict[str, Any]:
    """Return what to do."""
    text = framed_prompt(asked).decode()
    return {"sessionId": session_id, "prompt": [{"type": "text", "text": text}]}


def choose_option(options: object, *, allowed: bool) -> dict[str, Any]:
    """Return the outcome of a question for permission: the option that says this, once if there is one.

    "Always" is chosen only if nothing else is offered: agents may remember it beyond the conversation, and
    what lasts for a session is remembered by us. No fitting option refuses by the outcome `cancelled`.
    """
    kinds = ("allow_once", "allow_always") if allowed else ("reject_once", "reject_always")
    by_kind = {
        text_of(one.get("kind")): text_of(one.get("optionId")) for one in reversed(objects_of(options))
    }
    chosen = next((by_kind[kind] for kind in kinds if by_kind.get(kind)), None)
    if chosen is None:
        return CANCELLED
    return {"outcome": {"outcome": "selected", "optionId": chosen}}


CANCELLED: dict[str, Any] = {"outcome": {"outcome": "cancelled"}}
"""The outcome of a question whose turn was cancelled."""


def model_choice(session: Mapping[str, Any], model: str) -> tuple[str, dict[str, Any]] | None:
    """Return the method and parameters (without the session) that choose a model; None: it is not offered.

    A configuration option is today's way, `session/set_model` that of agents before it.
    """
    for option in objects_of(session.get("configOptions")):
        if option.get("category") == "model" and model in _values(option.get("options")):
            return "session/set_config_option", {"configId": text_of(option.get("id")), "value": model}
    offered = objects_of(mapping_of(session.get("models")).get("availableModels"))
    if any(text_of(one.get("modelId")) == model for one in offered):
        return "session/set_model", {"modelId": model}
    return None


def effort_choice(session: Mapping[str, Any], effort: str) -> dict[str, Any] | None:
    """Return the parameters (without the session) that choose how long to think; None: it is not offered.

    Source: Agent Client Protocol, Session Config Options, category `thought_level`.
    """
    for option in objects_of(session.get("configOptions")):
        if option.get("category") == "thought_level" and effort in _values(option.get("options")):
            return {"configId": text_of(option.get("id")), "value": effort}
    return None


def key_login(initialized: Mapping[str, Any]) -> str | None:
    """Return the way to log in that needs a key from the environment alone, and no person; None: no such."""
    for way in objects_of(initialized.get("authMethods")):
        said = f"{text_of(way.get('id'))} {text_of(way.get('name'))} {text_of(way.get('type'))}".lower()
        if any(word in said.replace("_", "-").replace(" ", "-") for word in ("api-key", "env-var", "apikey")):
            return text_of(way.get("id")) or None
    return None


def _values(options: object) -> list[str]:
    """Return the values of a choice, which may stand in groups."""
    found = objects_of(options)
    grouped = [inner for group in found for inner in objects_of(group.get("options"))]
    return [text_of(one.get("value")) for one in [*found, *grouped]]


def _server(server: McpServer) -> dict[str, Any]:
    if server.url:
        return {"type": "http", "name": server.name, "url": server.url, "headers": _pairs(server.headers)}
    return {
        "name": server.name,
        "command": server.command,
        "args": list(server.args),
        "env": _pairs(server.env),
    }


def _pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _failed(number: int | str, error: Mapping[str, Any]) -> Answered:
    code = error.get("code")
    said = text_of(error.get("message")) or "no reason given"
    data = error.get("data")
    details = (
        text_of(data) or text_of(mapping_of(data).get("details")) or text_of(mapping_of(data).get("message"))
    )
    told = f"{said}: {details}" if details and details not in said else said
    is_code = isinstance(code, int) and not isinstance(code, bool)
    return Answered(number, {}, told, code if is_code and isinstance(code, int) else INTERNAL_ERROR)


def _line(**fields: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", **fields}, ensure_ascii=False, separators=(",", ":"))


def version_of(initialized: Mapping[str, Any]) -> int:
    """Return the version of the protocol that the agent chose; 0 when it does not say."""
    return count_of(initialized.get("protocolVersion"))
