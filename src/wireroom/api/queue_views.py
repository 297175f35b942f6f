"""`/api/queues`: queues for the page, with counts, rates over a window, ages, and what is at their heads.

What changes queues is in `queues`, under the older service's addresses.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from wireroom.agents.definition import DEFAULT_QUEUE
from wireroom.agents.queue_figures import (
    AGENTS_SHOWN,
    RATE_WINDOW_MS,
    HeadCall,
    QueueFigures,
    agents_of,
    head_of,
    list_figures,
)
from wireroom.api.bodies import iso, iso_or_none
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import NotFound

_ERROR_CHARS = 300
_WINDOW_SECONDS = RATE_WINDOW_MS // 1000
_WINDOW_MINUTES = RATE_WINDOW_MS / 60_000


class QueueBody(BaseModel):
    """A queue in figures."""

    name: str
    is_default: bool = Field(description="It is always there.")
    paused: bool
    concurrency: int = Field(description="Calls at once.")
    own_concurrency: int | None = Field(description="Null: as the installation's setting says.")
    waiting: int = Field(description="Due, and not begun.")
    delayed: int = Field(description="To be made later.")
    retrying: int = Field(description="Of those that wait: failed before, and tried again.")
    active: int
    done: int
    dead: int
    skipped: int
    cancelled: int
    over: int = Field(description="Calls that a purge forgets: done, dead, skipped and cancelled.")
    done_per_minute: float = Field(description=f"Over the last {_WINDOW_SECONDS} s.")
    dead_per_minute: float = Field(description=f"Over the last {_WINDOW_SECONDS} s.")
    oldest_due_at: str | None = Field(description="Since when the longest waiting call is due.")
    agents: int = Field(description="How many agents use it.")

    @classmethod
    def of(cls, queue: QueueFigures, concurrency: int) -> QueueBody:
        """Return the queue as it is sent; `concurrency` is that of a queue that says nothing of it."""
        return cls(
            name=queue.name,
            is_default=queue.name == DEFAULT_QUEUE,
            paused=queue.is_paused,
            concurrency=queue.own_concurrency or concurrency,
            own_concurrency=queue.own_concurrency,
            waiting=queue.waiting,
            delayed=queue.delayed,
            retrying=queue.retrying,
            active=queue.active,
            done=queue.succeeded,
            dead=queue.dead,
            skipped=queue.skipped,
            cancelled=queue.cancelled,
            over=queue.over,
            done_per_minute=queue.succeeded_lately / _WINDOW_MINUTES,
            dead_per_minute=queue.dead_lately / _WINDOW_MINUTES,
            oldest_due_at=iso_or_none(queue.oldest_due_at),
            agents=queue.agents,
        )


class QueueListBody(BaseModel):
    """All queues by name."""

    queues: list[QueueBody]
    window_seconds: int = Field(default=_WINDOW_SECONDS, description="Of the rates.")
    default_concurrency: int = Field(description="Calls at once of a queue that says nothing of it.")


class HeadCallBody(BaseModel):
    """A call at the head of a queue."""

    id: int
    agent: str
    action: str = Field(description="call or prompt.")
    state: str = Field(description="running or waiting.")
    due_at: str
    attempts: int = Field(description="Tries that have ended.")
    catch_up: bool = Field(description="It stands for a missed slot.")
    reason: str | None
    error: str | None = Field(description="Of the last try that failed.")
    run_id: str | None
    started_at: str | None

    @classmethod
    def of(cls, call: HeadCall) -> HeadCallBody:
        """Return the call as it is sent."""
        return cls(
            id=call.id,
            agent=call.agent_name,
            action=call.action,
            state=call.state,
            due_at=iso(call.due_at),
            attempts=call.attempts,
            catch_up=bool(call.catch_up),
            reason=call.reason,
            error=None if call.error is None else call.error[:_ERROR_CHARS],
            run_id=call.run_id,
            started_at=iso_or_none(call.started_at),
        )


class OneQueueBody(BaseModel):
    """One queue with its head."""

    queue: QueueBody
    agent_names: list[str] = Field(description=f"Agents that use it, by name, at most {AGENTS_SHOWN}.")
    head: list[HeadCallBody] = Field(description="What is being made, then what comes next, 20 each at most.")
    window_seconds: int = Field(default=_WINDOW_SECONDS, description="Of the rates.")
    default_concurrency: int = Field(description="Calls at once of a queue that says nothing of it.")


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = _QueueViewRoutes(services)
    made = APIRouter(
        prefix="/api/queues",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("/{name}", routes.show)
    return made


class _QueueViewRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._concurrency = services.settings.queue_concurrency

    async def list_all(self) -> QueueListBody:
        """List the queues by name, in figures."""
        now_ms = to_ms(self._services.clock.now())
        found = await self._services.db.read(lambda conn: list_figures(conn, now_ms))
        return QueueListBody(
            queues=[QueueBody.of(queue, self._concurrency) for queue in found],
            default_concurrency=self._concurrency,
        )

    async def show(self, name: str) -> OneQueueBody:
        """Show one queue: its figures, the agents that use it, the calls at its head."""
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> OneQueueBody:
            found = list_figures(conn, now_ms, name)
            if not found:
                raise NotFound(f'Queue "{name}" not found')
            return OneQueueBody(
                queue=QueueBody.of(found[0], self._concurrency),
                agent_names=list(agents_of(conn, name)),
                head=[HeadCallBody.of(call) for call in head_of(conn, name)],
                default_concurrency=self._concurrency,
            )

        return await self._services.db.read(unit)
