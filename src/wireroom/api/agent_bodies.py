"""The JSON of agents, prompts and queues, in the older service's shapes; what is not known is left out.

Source: contract of cursor-agents, section A1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wireroom.agents.agent import Agent
from wireroom.agents.definition import Definition
from wireroom.agents.queries import AgentView, CallView
from wireroom.agents.queues import QueueView
from wireroom.agents.records import Saved
from wireroom.agents.request import CallRequest
from wireroom.api.bodies import iso, iso_or_none
from wireroom.doctor.plain import without_secrets

HIDDEN = "•••"
"""Stands for what viewers are not shown."""


def prompt_status(view: AgentView) -> dict[str, Any]:
    """Return a PromptStatus: `{name, isActive, lastRun?, nextRun?, jobId?}`."""
    agent = view.agent
    next_at = agent.next_at if view.is_active else None
    return without_nothing(
        {
            "name": agent.name,
            "isActive": view.is_active,
            "lastRun": iso_or_none(view.last_finished_at),
            "nextRun": iso_or_none(next_at),
            "jobId": _job_id(agent, view.last_call_id),
        }
    )


def agent_status(view: AgentView, *, shows_secrets: bool = True) -> dict[str, Any]:
    """Return an AgentStatus: a PromptStatus with what is called, and what the older service did not know.

    Who may only look sees what `told_to_viewers` leaves.
    """
    agent = view.agent
    wanted = agent.definition
    request = wanted.request
    own: dict[str, Any] = (
        {
            "targetUrl": request.url,
            "method": request.method,
            "headers": request.headers,
            "body": request.body,
            "timeout": request.timeout_ms,
        }
        if isinstance(request, CallRequest)
        else {"prompt": request.prompt, "options": request.options}
    )
    if not shows_secrets:
        own = told_to_viewers(own)
    rules = {
        "schedule": wanted.schedule,
        "queue": wanted.queue,
        "oneTime": wanted.is_one_time,
        "timezone": wanted.timezone,
        "overlap": wanted.overlap.value,
        "missed": str(wanted.missed),
        "retry": {
            "attempts": wanted.retry.attempts,
            "backoff": wanted.retry.base_ms,
            "maxBackoff": wanted.retry.cap_ms,
        },
        "paused": bool(agent.paused),
        "running": view.running,
        "waiting": view.waiting,
        "createdAt": iso(agent.created_at),
        "updatedAt": iso(agent.updated_at),
    }
    return prompt_status(view) | without_nothing(own | rules)


def told_to_viewers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an agent's fields without what often holds a credential. Pure.

    That is what headers say, the body, and of the address its user, password and query.
    """
    shown = dict(fields)
    if shown.get("headers"):
        shown["headers"] = dict.fromkeys(shown["headers"], HIDDEN)
    if shown.get("body") is not None:
        shown["body"] = HIDDEN
    if shown.get("targetUrl"):
        shown["targetUrl"] = without_secrets(shown["targetUrl"])
    return shown


def created_agent(definition: Definition, saved: Saved) -> dict[str, Any]:
    """Return the `agent` of the answer to `POST /agents`."""
    request = definition.request
    url, method = (request.url, request.method) if isinstance(request, CallRequest) else (None, None)
    return without_nothing(
        {
            "name": definition.name,
            "jobId": job_id(definition.name, saved),
            "targetUrl": url,
            "method": method,
            "oneTime": definition.is_one_time,
            "schedule": definition.schedule,
            "queue": definition.queue,
            "callId": saved.call_id,
            "nextRun": iso_or_none(saved.next_at),
            "repeated": True if saved.repeated else None,
        }
    )


def job_id(name: str, saved: Saved) -> str:
    """Return the older service's id of a job: `agent:<name>:<number>`, or `repeat:<number>:<next ms>`."""
    if saved.call_id is not None:
        return f"agent:{name}:{saved.call_id}"
    return f"repeat:{saved.agent_id}:{saved.next_at}"


def call_body(call: CallView) -> dict[str, Any]:
    """Return one call of an agent's history."""
    return without_nothing(
        {
            "id": call.id,
            "agent": call.agent_name,
            "queue": call.queue,
            "action": call.action,
            "state": call.state,
            "reason": call.reason,
            "slot": iso_or_none(call.slot_at),
            "slots": call.slots if call.slots > 1 else None,
            "slotUntil": iso_or_none(call.slot_until) if call.slots > 1 else None,
            "catchUp": True if call.catch_up else None,
            "dueAt": iso(call.due_at),
            "attempts": call.attempts,
            "statusCode": call.status_code,
            "durationMs": call.duration_ms,
            "error": call.error,
            "responseHead": call.response_head,
            "runId": call.run_id,
            "createdAt": iso(call.created_at),
            "startedAt": iso_or_none(call.started_at),
            "finishedAt": iso_or_none(call.finished_at),
        }
    )


def queue_info(queue: QueueView) -> dict[str, Any]:
    """Return a QueueInfo."""
    return {
        "name": queue.name,
        "waiting": queue.waiting,
        "active": queue.active,
        "completed": queue.completed,
        "failed": queue.failed,
        "delayed": queue.delayed,
        "agents": queue.agents,
        "paused": queue.is_paused,
        "concurrency": queue.concurrency,
    }


def without_nothing(body: dict[str, Any]) -> dict[str, Any]:
    """Return the object without the fields that are not known, as the older service left them out."""
    return {name: value for name, value in body.items() if value is not None}


def _job_id(agent: Agent, last_call_id: int | None) -> str | None:
    if agent.schedule_json is not None and agent.next_at is not None:
        return f"repeat:{agent.id}:{agent.next_at}"
    return None if last_call_id is None else f"agent:{agent.name}:{last_call_id}"
