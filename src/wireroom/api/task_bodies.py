"""Tasks as JSON: the contract's fields first, then what is beyond it.

    {"id": 7, "prompt": "tidy up", "order": 0, "createdat": "2026-11-21T23:54:00.000Z",
     "updatedat": "2026-11-21T23:54:00.000Z", "uuid": null, "status": 0, "status_label": "ready",
     "repository": null, "branch": null, "backend": null, "labels": [], "not_before": null, "needs": [3],
     "failures": 0, "next_try_at": null, "is_dead": false, "reason": null, "run_id": null}

Source: contract of cursor-runner, section 1.5.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from wireroom.api.bodies import iso, iso_or_none
from wireroom.tasks.columns import Card
from wireroom.tasks.rows import AttemptView, TaskView
from wireroom.tasks.states import shown_stamp


def task_body(task: TaskView) -> dict[str, Any]:
    """Return the task as it is sent."""
    return {
        "id": task.id,
        "prompt": task.prompt,
        "order": task.order,
        "createdat": shown_stamp(task.createdat),
        "updatedat": shown_stamp(task.updatedat),
        "uuid": task.uuid,
        "status": task.status,
        "status_label": task.label,
        "repository": task.repository,
        "branch": task.branch,
        "backend": task.backend,
        "labels": task.labels,
        "not_before": iso_or_none(task.not_before),
        "needs": task.needs,
        "failures": task.failures,
        "next_try_at": iso_or_none(task.next_try_at),
        "is_dead": task.is_dead,
        "reason": task.reason,
        "run_id": task.run_id,
    }


def card_body(card: Card) -> dict[str, Any]:
    """Return a card as it is sent: a task whose prompt is cut, with the numbers that it still waits for."""
    return task_body(card.task) | {"unmet": card.unmet}


def attempt_body(attempt: AttemptView) -> dict[str, Any]:
    """Return an attempt as it is sent."""
    return {
        "number": attempt.number,
        "run_id": attempt.run_id,
        "request_id": attempt.request_id,
        "state": attempt.state,
        "result": attempt.result,
        "error": attempt.error,
        "cost_usd": attempt.cost_usd,
        "started_at": iso(attempt.started_at),
        "finished_at": iso_or_none(attempt.finished_at),
    }


def pagination_body(page: int, limit: int, total: int) -> dict[str, int]:
    """Return where a page stands, as the older web client reads it."""
    return {"page": page, "limit": limit, "total": total, "totalPages": ceil(total / limit)}
