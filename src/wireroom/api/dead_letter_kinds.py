"""The five kinds of dead letters as one: what each room can list, count, send again and drop."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.agents import dead as dead_calls
from wireroom.agents.desk import AgentDesk
from wireroom.agents.queries import NEWEST, CallView
from wireroom.callbacks import outbox as callback_outbox
from wireroom.callbacks.queries import CallbackView, count_callbacks, list_callbacks
from wireroom.delivery import outbox as delivery_outbox
from wireroom.delivery.queries import EXCERPT_CHARS, DeliveryView, count_deliveries, list_deliveries
from wireroom.intake import accept
from wireroom.jobs.port import Jobs
from wireroom.tasks import dead as dead_tasks
from wireroom.tasks.dead import DeadTask

_DEAD = "dead"


class Kind(StrEnum):
    """What a dead letter was."""

    UPDATES = "updates"
    """Chat updates whose handling failed."""
    DELIVERIES = "deliveries"
    """Messages that could not be sent to their chat."""
    CALLBACKS = "callbacks"
    """Results that a program could not be told."""
    TASKS = "tasks"
    """Tasks of the board that were given up."""
    CALLS = "calls"
    """Calls and prompts of agents that failed."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What people ask about a dead letter; None for what its kind does not have."""

    id: int
    reason: str | None
    excerpt: str | None = None
    """The beginning of what it says."""
    attempts: int | None = None
    created_at: int | None = None
    given_up_at: int | None = None
    lane: str | None = None
    address: str | None = None
    """Where a callback goes, without the query."""
    agent: str | None = None
    what: str | None = None
    """Of an update, its kind; of an agent's call, its action."""
    run_id: str | None = None


Change = Callable[[Connection, Collection[int], int], Sequence[int]]
"""Takes ids and the time in ms; returns those that were dead, oldest first."""


@dataclass(frozen=True, slots=True)
class DeadKind:
    """What can be done with one kind."""

    subject: str
    """How the audit calls one of them."""
    count: Callable[[Connection], int]
    list: Callable[[Connection, int, int | None], Sequence[DeadLetter]]
    """Takes how many, and below which id; newest first."""
    ids: Callable[[Connection, int, int], Sequence[int]]
    """Takes above which id, and how many; oldest first."""
    retry: Change
    discard: Change


def dead_kinds(jobs: Jobs, desk: AgentDesk) -> Mapping[Kind, DeadKind]:
    """Return all kinds, in the order in which people are shown them."""
    return {
        Kind.UPDATES: _updates(jobs),
        Kind.DELIVERIES: _deliveries(jobs),
        Kind.CALLBACKS: _callbacks(jobs),
        Kind.TASKS: _tasks(jobs),
        Kind.CALLS: _calls(desk),
    }


def _updates(jobs: Jobs) -> DeadKind:
    return DeadKind(
        subject="update",
        count=accept.count_dead_updates,
        list=lambda conn, limit, before: [
            _of_update(row) for row in accept.dead_updates(conn, limit, before=before)
        ],
        ids=lambda conn, after, limit: accept.dead_update_ids(conn, after=after, limit=limit),
        retry=lambda conn, ids, _: accept.retry_updates(conn, jobs, ids),
        discard=lambda conn, ids, _: accept.discard_updates(conn, jobs, ids),
    )


def _deliveries(jobs: Jobs) -> DeadKind:
    return DeadKind(
        subject="delivery",
        count=lambda conn: count_deliveries(conn, state=_DEAD),
        list=lambda conn, limit, before: [
            _of_delivery(one) for one in list_deliveries(conn, state=_DEAD, limit=limit, before=before)
        ],
        ids=lambda conn, after, limit: delivery_outbox.dead_deliveries(conn, after=after, limit=limit),
        retry=lambda conn, ids, _: delivery_outbox.retry_deliveries(conn, jobs, ids),
        discard=lambda conn, ids, _: delivery_outbox.discard_deliveries(conn, ids),
    )


def _callbacks(jobs: Jobs) -> DeadKind:
    return DeadKind(
        subject="callback",
        count=lambda conn: count_callbacks(conn, state=_DEAD),
        list=lambda conn, limit, before: [
            _of_callback(one) for one in list_callbacks(conn, state=_DEAD, limit=limit, before=before)
        ],
        ids=lambda conn, after, limit: callback_outbox.dead_callbacks(conn, after=after, limit=limit),
        retry=lambda conn, ids, now_ms: callback_outbox.retry_callbacks(conn, jobs, ids, now_ms),
        discard=lambda conn, ids, _: callback_outbox.discard_callbacks(conn, ids),
    )


def _tasks(jobs: Jobs) -> DeadKind:
    return DeadKind(
        subject="task",
        count=dead_tasks.count_dead_tasks,
        list=lambda conn, limit, before: [
            _of_task(task) for task in dead_tasks.list_dead_tasks(conn, limit=limit, before=before)
        ],
        ids=lambda conn, after, limit: dead_tasks.dead_task_ids(conn, after=after, limit=limit),
        retry=lambda conn, ids, now_ms: dead_tasks.retry_dead_tasks(conn, jobs, ids, now_ms),
        discard=dead_tasks.discard_dead_tasks,
    )


def _calls(desk: AgentDesk) -> DeadKind:
    return DeadKind(
        subject="agent",
        count=dead_calls.count_dead_calls,
        list=lambda conn, limit, before: [
            _of_call(call) for call in dead_calls.list_dead_calls(conn, limit=limit, before=before or NEWEST)
        ],
        ids=lambda conn, after, limit: dead_calls.dead_call_ids(conn, after=after, limit=limit),
        retry=desk.calls.retry_all,
        discard=lambda conn, ids, _: dead_calls.discard_dead_calls(conn, ids),
    )


def _of_update(row: Any) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        reason=row.reason,
        excerpt=said_in(row.payload),
        created_at=row.received_at,
        given_up_at=row.handled_at,
        lane=row.lane,
        what=row.kind,
    )


def _of_delivery(delivery: DeliveryView) -> DeadLetter:
    return DeadLetter(
        id=delivery.id,
        reason=delivery.error,
        excerpt=delivery.body_excerpt,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        lane=delivery.lane,
        run_id=delivery.run_id,
    )


def _of_callback(callback: CallbackView) -> DeadLetter:
    return DeadLetter(
        id=callback.id,
        reason=callback.error,
        attempts=callback.attempts,
        created_at=callback.created_at,
        address=callback.address,
        run_id=callback.run_id,
    )


def _of_task(task: DeadTask) -> DeadLetter:
    return DeadLetter(
        id=task.id,
        reason=task.reason,
        excerpt=task.prompt_excerpt,
        attempts=task.attempts,
        given_up_at=task.given_up_at,
        run_id=task.run_id,
    )


def _of_call(call: CallView) -> DeadLetter:
    return DeadLetter(
        id=call.id,
        reason=call.error,
        excerpt=call.response_head,
        attempts=call.attempts,
        created_at=call.created_at,
        given_up_at=call.finished_at,
        agent=call.agent_name,
        what=call.action,
        run_id=call.run_id,
    )


def said_in(payload: str | None) -> str | None:
    """Return the beginning of what a stored update says; None when nobody can tell. Pure.

    The update may be the very one that the reader of updates fails on, so nothing is taken for granted.
    """
    try:
        update = msgspec.json.decode(payload or "")
    except (msgspec.DecodeError, RecursionError):
        return None
    parts = [part for part in update.values() if isinstance(part, dict)] if isinstance(update, dict) else []
    texts = [part.get(name) for part in parts for name in ("text", "caption", "data")]
    said = next((text for text in texts if isinstance(text, str) and text), None)
    return None if said is None else said[:EXCERPT_CHARS]
