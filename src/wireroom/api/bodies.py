"""The JSON that the API sends: typed, documented in OpenAPI, times as ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

from math import ceil, isfinite
from typing import Any

from pydantic import BaseModel, Field

from wireroom.clock import from_ms
from wireroom.delivery.queries import DeliveryView
from wireroom.runs.events import StoredEvent
from wireroom.runs.queries import RunView
from wireroom.runs.summaries import RunSummary

_DIGITS = 4


def iso(value_ms: int) -> str:
    """Return a stored time as people and programs read it, such as `2026-11-21T23:54:00.123Z`."""
    return from_ms(value_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_or_none(value_ms: int | None) -> str | None:
    """Return a stored time as `iso` does, None for none."""
    return None if value_ms is None else iso(value_ms)


def short(value: float) -> float | None:
    """Return a figure with four digits, which is more than it is exact to; None for not-a-number."""
    return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None


def ms(seconds: float) -> float | None:
    """Return seconds as milliseconds, with four digits."""
    return short(seconds * 1000)


class Pagination(BaseModel):
    """Where a page stands in its list."""

    page: int = Field(description="1 for the first.")
    per_page: int
    total: int = Field(description="Items in the whole list.")
    total_pages: int
    next_cursor: str | None = Field(
        default=None, description="`cursor` of the next page; null after the last."
    )

    @classmethod
    def of(cls, page: int, per_page: int, total: int, next_cursor: str | None = None) -> Pagination:
        """Return the standing of one page."""
        return cls(
            page=page,
            per_page=per_page,
            total=total,
            total_pages=ceil(total / per_page),
            next_cursor=next_cursor,
        )


class RunSummaryBody(BaseModel):
    """A run in a list."""

    id: str
    request_id: str
    conversation_id: str
    lane: str
    source: str
    prompt_excerpt: str
    backend: str
    mode: str = Field(description="execute or iterate.")
    state: str = Field(
        description="queued, running, succeeded, failed, exhausted, timed_out, cancelled, joined, interrupted"
    )
    reason: str | None = Field(description="Why it is in that state, for people.")
    exit_code: int | None
    event_count: int
    queued_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, run: RunSummary) -> RunSummaryBody:
        """Return the run as it is sent."""
        return cls(
            id=run.id,
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            lane=run.lane,
            source=run.source,
            prompt_excerpt=run.prompt_excerpt,
            backend=run.backend,
            mode=run.mode.value,
            state=run.state.value,
            reason=run.reason,
            exit_code=run.exit_code,
            event_count=run.event_count,
            queued_at=iso(run.queued_at),
            started_at=iso_or_none(run.started_at),
            finished_at=iso_or_none(run.finished_at),
        )


class RunListBody(BaseModel):
    """One page of runs, newest first."""

    runs: list[RunSummaryBody]
    pagination: Pagination


class RunBody(BaseModel):
    """One run, whole."""

    id: str
    request_id: str
    conversation_id: str
    lane: str
    source: str
    prompt: str
    backend: str
    mode: str = Field(description="execute or iterate.")
    repository: str | None = Field(description="As its caller named it.")
    state: str
    reason: str | None
    error_code: str | None = Field(description="A word for programs, such as timeout; see `runs.options`.")
    output: str | None = Field(description="What the agent said, whole or in part, as Markdown.")
    exit_code: int | None
    iterations: int | None = Field(description="Rounds of the loop after the first.")
    max_iterations: int | None
    justification: str | None = Field(description="What the last review said.")
    branch: str | None = Field(description="Of the run's worktree.")
    diff: dict[str, Any] | None = Field(description="files, insertions, deletions, commits, pushed.")
    usage: dict[str, Any] | None = Field(description="input_tokens, output_tokens, cost_usd.")
    event_count: int
    interruptions: int
    queued_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, run: RunView) -> RunBody:
        """Return the run as it is sent."""
        return cls(
            id=run.id,
            request_id=run.request_id,
            conversation_id=run.conversation_id,
            lane=run.lane,
            source=run.source,
            prompt=run.prompt,
            backend=run.backend,
            mode=run.mode.value,
            repository=run.options.repository,
            state=run.state.value,
            reason=run.reason,
            error_code=run.report.error_code,
            output=run.output,
            exit_code=run.exit_code,
            iterations=run.report.iterations,
            max_iterations=run.report.max_iterations,
            justification=run.report.justification,
            branch=run.report.branch,
            diff=run.report.diff,
            usage=run.usage,
            event_count=run.event_count,
            interruptions=run.interruptions,
            queued_at=iso(run.queued_at),
            started_at=iso_or_none(run.started_at),
            finished_at=iso_or_none(run.finished_at),
        )


class EventBody(BaseModel):
    """One event of a run's log."""

    seq: int = Field(description="1, 2, 3 … within the run.")
    at: str
    kind: str = Field(description="See docs/reference/events.md.")
    payload: dict[str, Any]

    @classmethod
    def of(cls, event: StoredEvent) -> EventBody:
        """Return the event as it is sent."""
        return cls(seq=event.seq, at=iso(event.at_ms), kind=event.kind, payload=event.payload)


class EventListBody(BaseModel):
    """A piece of a run's log, oldest first."""

    run_id: str
    events: list[EventBody]
    event_count: int = Field(description="Events in the whole log.")
    next_after: int = Field(description="Send it as `after` for the next piece.")


class AskedBody(BaseModel):
    """A stored request."""

    run_id: str
    request_id: str
    created: bool = Field(description="False when this request id was stored before; it is one run.")


class CancelBody(BaseModel):
    """What a wish to cancel did."""

    run_id: str
    result: str = Field(description="stopping: its agent is being ended; removed: it will not run.")


class DeliveryBody(BaseModel):
    """An outgoing message."""

    id: int
    run_id: str | None
    lane: str
    state: str = Field(description="waiting, pending, sent, dead or discarded.")
    body_excerpt: str | None
    error: str | None
    attempts: int
    created_at: str
    sent_at: str | None

    @classmethod
    def of(cls, delivery: DeliveryView) -> DeliveryBody:
        """Return the delivery as it is sent."""
        return cls(
            id=delivery.id,
            run_id=delivery.run_id,
            lane=delivery.lane,
            state=delivery.state.value,
            body_excerpt=delivery.body_excerpt,
            error=delivery.error,
            attempts=delivery.attempts,
            created_at=iso(delivery.created_at),
            sent_at=iso_or_none(delivery.sent_at),
        )


class DeliveryListBody(BaseModel):
    """One page of deliveries, newest first."""

    deliveries: list[DeliveryBody]
    pagination: Pagination


class DeliveryStateBody(BaseModel):
    """Where a delivery stands after an action."""

    id: int
    state: str
