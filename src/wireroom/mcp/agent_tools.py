"""The tools for agents and queues, with the names and arguments of cursor-agents' MCP server. Pure.

Source: contract of cursor-agents, section A7.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from wireroom.mcp.spec import Arguments, Call, Paged, ToolSpec, given, path_of

Name = Annotated[str, Field(min_length=1)]
_DEFAULT_TIMEOUT_MS = 30_000


class CreateAgent(Arguments):
    """Arguments of create_agent."""

    name: Name
    target_url: Annotated[str, Field(alias="targetUrl", min_length=1)]
    method: Literal["GET", "POST", "PUT", "DELETE", "PATCH"] = "POST"
    headers: dict[str, str] | None = None
    body: Annotated[Any, Field(description="JSON")] = None
    schedule: Annotated[str | None, Field(description='cron, or "every 30 seconds"')] = None
    one_time: Annotated[StrictBool, Field(alias="oneTime", description="Call once, now.")] = False
    timeout: Annotated[int, Field(ge=0, description="ms")] = _DEFAULT_TIMEOUT_MS
    queue: str | None = None


class OneAgent(Arguments):
    """Arguments of get_agent_status and delete_agent."""

    name: Name


class OneQueue(Arguments):
    """Arguments of get_queue_info and delete_queue."""

    queue_name: Annotated[str, Field(alias="queueName", min_length=1)]


def _create_call(wanted: CreateAgent) -> Call:
    asked = {"method": wanted.method, "oneTime": wanted.one_time, "timeout": wanted.timeout}
    return Call("POST", "/agents", body={**asked, **given(wanted)})


def _created(_: CreateAgent, body: Any) -> Any:
    """Leave out the job's id, which the older tool did not tell either."""
    agent = {name: value for name, value in body["agent"].items() if name != "jobId"}
    return {**body, "agent": agent}


def _agents(wanted: Paged, body: Any) -> Any:
    agents = body["agents"]
    return {"agents": wanted.cut(agents), "pagination": wanted.of(agents)}


def _queues(wanted: Paged, body: Any) -> Any:
    queues = body["queues"]
    return {"queues": wanted.cut(queues), "pagination": wanted.of(queues)}


def agent_call(name: str) -> Call:
    """Return the call that asks for the state of an agent."""
    return Call("GET", path_of("agents", name))


AGENT_TOOLS: Sequence[ToolSpec[Any]] = (
    ToolSpec(
        "create_agent",
        "Create or replace an agent: a call to an address, once (oneTime) or by a schedule.",
        CreateAgent,
        _create_call,
        _created,
    ),
    ToolSpec(
        "list_agents",
        "List agents with their state.",
        Paged,
        lambda _: Call("GET", "/agents"),
        _agents,
        changes=False,
    ),
    ToolSpec(
        "get_agent_status",
        "Show an agent.",
        OneAgent,
        lambda wanted: agent_call(wanted.name),
        changes=False,
        error_as_json=True,
    ),
    ToolSpec(
        "delete_agent",
        "Delete an agent and its schedule.",
        OneAgent,
        lambda wanted: Call("DELETE", path_of("agents", wanted.name)),
        destroys=True,
    ),
    ToolSpec(
        "list_queues",
        "List the queues of agents with their counts.",
        Paged,
        lambda _: Call("GET", "/queues"),
        _queues,
        changes=False,
    ),
    ToolSpec(
        "get_queue_info",
        "Show a queue.",
        OneQueue,
        lambda wanted: Call("GET", path_of("queues", wanted.queue_name)),
        changes=False,
        error_as_json=True,
    ),
    ToolSpec(
        "delete_queue",
        "Delete an empty queue.",
        OneQueue,
        lambda wanted: Call("DELETE", path_of("queues", wanted.queue_name)),
        destroys=True,
    ),
)
