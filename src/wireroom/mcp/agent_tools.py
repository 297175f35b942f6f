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
_IN_LISTS = frozenset(
    {
        "name",
        "isActive",
        "lastRun",
        "nextRun",
        "jobId",
        "targetUrl",
        "method",
        "headers",
        "body",
        "schedule",
        "timeout",
        "queue",
        "prompt",
        "paused",
    }
)
"""What the older service told of an agent, and what else must be known at a glance."""


class CreateAgent(Arguments):
    """Arguments of create_agent."""

    name: Name
    target_url: Annotated[str | None, Field(alias="targetUrl", min_length=1)] = None
    prompt: Annotated[str | None, Field(description="Run this instead of calling targetUrl.")] = None
    method: Literal["GET", "POST", "PUT", "DELETE", "PATCH"] = "POST"
    headers: dict[str, str] | None = None
    body: Annotated[Any, Field(description="JSON")] = None
    schedule: Annotated[str | None, Field(description='cron of 5 or 6 fields, or "every 30 seconds"')] = None
    one_time: Annotated[StrictBool, Field(alias="oneTime", description="Call once, now.")] = False
    timeout: Annotated[int, Field(ge=0, description="ms")] = _DEFAULT_TIMEOUT_MS
    queue: str | None = None


class OneAgent(Arguments):
    """Arguments of get_agent_status and delete_agent."""

    name: Name


class OneQueue(Arguments):
    """Arguments of get_queue_info and delete_queue."""

    queue_name: Annotated[str, Field(alias="queueName", min_length=1)]


def _created(_: CreateAgent, body: Any) -> Any:
    """Leave out the job's id, which the older tool did not tell either."""
    agent = {name: value for name, value in body["agent"].items() if name != "jobId"}
    return {**body, "agent": agent}


def list_call(wanted: Paged) -> Call:
    """Return the call that lists agents."""
    return Call("GET", "/agents", {"limit": wanted.per_page, "offset": wanted.offset})


def _agents(wanted: Paged, body: Any) -> Any:
    agents = [
        {name: value for name, value in agent.items() if name in _IN_LISTS and value not in ({}, None)}
        for agent in body["agents"]
    ]
    return {"agents": agents, "pagination": wanted.of(body["total"])}


def _queues(wanted: Paged, body: Any) -> Any:
    queues = body["queues"]
    shown = queues[wanted.offset : wanted.offset + wanted.per_page]
    return {"queues": shown, "pagination": wanted.of(len(queues))}


def agent_call(name: str) -> Call:
    """Return the call that asks for the state of an agent."""
    return Call("GET", path_of("agents", name))


AGENT_TOOLS: Sequence[ToolSpec[Any]] = (
    ToolSpec(
        "create_agent",
        "Create or replace an agent: a call or a prompt, once (oneTime) or by a schedule.",
        CreateAgent,
        lambda wanted: Call("POST", "/agents", body=given(wanted)),
        _created,
    ),
    ToolSpec(
        "list_agents",
        "List agents with their state.",
        Paged,
        list_call,
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
