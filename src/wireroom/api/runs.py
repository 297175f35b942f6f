"""`/api/runs`: list, show, follow, cancel and retry runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Header, Query
from pydantic import BaseModel
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.auth import Caller, identify
from wireroom.api.bodies import (
    AskedBody,
    CancelBody,
    EventBody,
    EventListBody,
    Pagination,
    RunBody,
    RunListBody,
    RunSummaryBody,
)
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.paging import Cursor, piece_of
from wireroom.api.requests import LARGEST, Page, PerPage, RequestId, ask_once, bounded_route
from wireroom.api.services import Services
from wireroom.api.sse import DESCRIBED, Batch, EventStream, follow, message
from wireroom.api.streaming import DESCRIBED as LINES
from wireroom.api.streaming import wants_lines, whole_list
from wireroom.clock import to_ms
from wireroom.delivery.queries import recipient_of_run
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.intake.again import same_question
from wireroom.intake.program_requests import CHANNEL as PROGRAMS
from wireroom.intake.program_requests import ProgramIntake
from wireroom.runs.cancel import Cancelled, cancel_run
from wireroom.runs.events import StoredEvent, read_events
from wireroom.runs.feed import lane_topic, run_topic
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunState
from wireroom.runs.summaries import count_runs, list_summaries
from wireroom.store.database import after_commit

_MAX_BODY_BYTES = 10_000
_EVENTS_A_LOOK = 500
_MOST_DIGITS = 20


class RetryRequest(BaseModel):
    """What may be said about a new try."""

    request_id: RequestId | None = None


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _RunRoutes(services)
    made = APIRouter(
        prefix="/api/runs",
        tags=["runs"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_runs, response_model=RunListBody, responses=LINES)
    made.add_api_route("/{run_id}", routes.show)
    made.add_api_route("/{run_id}/events", routes.events)
    made.add_api_route("/{run_id}/stream", routes.stream, response_class=Response, responses=DESCRIBED)
    accepted = HTTPStatus.ACCEPTED
    made.add_api_route("/{run_id}/cancel", routes.cancel, methods=["POST"], status_code=accepted)
    made.add_api_route("/{run_id}/retry", routes.retry, methods=["POST"], status_code=accepted)
    return made


class _RunRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db
        self._programs = ProgramIntake(
            services.jobs, services.feed, services.asker, queue_limit=services.settings.queue_limit
        )

    async def list_runs(
        self,
        request: Request,
        *,
        state: RunState | None = None,
        lane: str | None = None,
        page: Page = 1,
        per_page: PerPage = 50,
        cursor: Cursor = None,
    ) -> RunListBody | Response:
        """List runs, newest first, without their outputs; as lines of JSON all of them, if asked for so."""
        if wants_lines(request):
            return whole_list(
                self._db,
                lambda conn, after, size: list_summaries(
                    conn, lane=lane, state=state, limit=size, after=after
                ),
                lambda run: (run.queued_at, run.id),
                lambda run: RunSummaryBody.of(run).model_dump_json().encode(),
            )
        piece = piece_of(page, per_page, cursor, int, str)
        read, total = await self._db.read(
            lambda conn: (
                list_summaries(
                    conn, lane=lane, state=state, limit=piece.limit, offset=piece.offset, after=piece.after
                ),
                count_runs(conn, lane=lane, state=state),
            )
        )
        found = piece.cut(read)
        standing = Pagination.of(page, per_page, total, found.cursor("queued_at", "id"))
        return RunListBody(runs=[RunSummaryBody.of(run) for run in found.items], pagination=standing)

    async def show(self, run_id: str) -> RunBody:
        """Show a run by its id or its request id."""
        return RunBody.of(await self._db.read(lambda conn: _existing(conn, run_id)))

    async def events(
        self,
        run_id: str,
        after: Annotated[int, Query(ge=0, le=LARGEST, description="Number of the last event you have.")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    ) -> EventListBody:
        """Return a piece of the run's log."""

        def read(conn: Connection) -> tuple[RunView, list[StoredEvent]]:
            run = _existing(conn, run_id)
            return run, list(read_events(conn, run.id, after=after, limit=limit))

        run, found = await self._db.read(read)
        return EventListBody(
            run_id=run.id,
            events=[EventBody.of(event) for event in found],
            event_count=run.event_count,
            next_after=found[-1].seq if found else after,
        )

    async def stream(
        self,
        request: Request,
        run_id: str,
        last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
        after: Annotated[int, Query(ge=0, le=LARGEST, description="As the header, which wins.")] = 0,
    ) -> Response:
        """Follow the run's log live, as server-sent events; ends after the event of its end.

        A reader that has the whole log of an ended run is answered 204, which tells it not to come back.
        """
        run = await self._db.read(lambda conn: _existing(conn, run_id))
        after = _event_number(last_event_id) or after
        if run.state.is_final and after >= run.event_count:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return EventStream(self._follow(request, run.id, after))

    async def cancel(self, request: Request, run_id: str) -> CancelBody:
        """Stop a running run, or take a waiting one out of the queue."""
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> CancelBody:
            run = _existing(conn, run_id)
            found = cancel_run(conn, self._services.jobs, run.id, now_ms)
            if found not in {Cancelled.STOPPING, Cancelled.REMOVED}:
                raise Conflict(f"Run {run.id} has ended already ({run.state}).")
            note_action(conn, caller, "run.cancel", run.id, now_ms=now_ms, detail=found)
            after_commit(conn, lambda: self._tell(run))
            return CancelBody(run_id=run.id, result=found)

        return await self._db.write(unit)

    async def retry(
        self, request: Request, run_id: str, wanted: Annotated[RetryRequest | None, Body()] = None
    ) -> AskedBody:
        """Ask the same again, as a new run that answers where the first one did.

        Without a request id of its own, a run is retried once, however often this is called.
        """
        caller = caller_of(request)
        request_id = wanted.request_id if wanted else None
        return await self._db.write(lambda conn: self._retry(conn, caller, run_id, request_id))

    def _retry(self, conn: Connection, caller: Caller, run_id: str, request_id: str | None) -> AskedBody:
        run = _existing(conn, run_id)
        if not run.state.is_final:
            raise Conflict(f"Run {run.id} has not ended yet ({run.state}).")
        now_ms = to_ms(self._services.clock.now())
        asked = self._ask_again(conn, run, request_id or f"retry-{run.id}", now_ms)
        if asked.created:
            note_action(conn, caller, "run.retry", run.id, now_ms=now_ms, detail=asked.run_id)
        return asked

    def _ask_again(self, conn: Connection, run: RunView, request_id: str, now_ms: int) -> AskedBody:
        """Ask a chat's question where it was asked, a program's in its own conversation."""
        if run.source == PROGRAMS:
            stored = self._programs.again(conn, run, request_id, now_ms)
            return AskedBody(run_id=stored.run_id, request_id=request_id, created=stored.created)
        question = same_question(run, request_id)
        to = recipient_of_run(conn, run.id)
        return ask_once(conn, self._services.asker, question, now_ms, to=to)

    async def _follow(self, request: Request, run_id: str, after: int) -> AsyncGenerator[str, None]:
        async def look() -> Batch:
            nonlocal after
            run, found = await self._db.read(lambda conn: _log_after(conn, run_id, after))
            after = found[-1].seq if found else after
            return Batch(
                [_as_message(event) for event in found],
                more=after < run.event_count,
                over=run.state.is_final and after >= run.event_count,
            )

        async def is_welcome() -> bool:
            return await identify(request, self._services) is not None

        with self._services.feed.listen(run_topic(run_id)) as news:
            async for text in follow(news, look, is_welcome, self._services.clock):
                yield text

    def _tell(self, run: RunView) -> None:
        self._services.feed.publish(run_topic(run.id))
        self._services.feed.publish(lane_topic(run.lane))


def _existing(conn: Connection, run_id: str) -> RunView:
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def _log_after(conn: Connection, run_id: str, after: int) -> tuple[RunView, list[StoredEvent]]:
    return _existing(conn, run_id), list(read_events(conn, run_id, after=after, limit=_EVENTS_A_LOOK))


def _as_message(event: StoredEvent) -> str:
    return message(EventBody.of(event).model_dump_json(), event_id=event.seq, event=event.kind)


def _event_number(last_event_id: str | None) -> int:
    if not last_event_id:
        return 0
    is_number = last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < _MOST_DIGITS
    if not is_number or int(last_event_id) > LARGEST:
        raise BadInput("Last-Event-ID must be the number of the last event you have.")
    return int(last_event_id)
