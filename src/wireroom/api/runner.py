"""`/cursor/*` and `/health/queue`: the older runner's routes, each request a stored run before any answer."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import (
    ShortRefusal,
    checked,
    described_body,
    fresh_request_id,
    json_response,
    read_object,
)
from wireroom.api.program_door import RETRY_AFTER_SECONDS, ProgramDoor
from wireroom.api.runner_bodies import NewConversationRequest, RunRequest
from wireroom.api.services import Services
from wireroom.clock import came_within, to_ms
from wireroom.conversations.threads import Conversation
from wireroom.intake.program_requests import ProgramRequest, count_running, count_waiting
from wireroom.runs.feed import run_topic
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.result_body import http_status, result_body
from wireroom.runs.states import RunMode, RunState
from wireroom.store.statement import Statement

ACCEPTED = "Request accepted, processing asynchronously"
_LOOK_SECONDS = 5.0
"""How often a waiting caller's run is looked at, and whether the caller is still there, without any news."""
_DEAF_LOOK_SECONDS = 0.5
"""The same where another process may have ended the run, whose news do not come here."""
_CALLBACK_PATH = "/cursor-runner/callback"

_STATE = Statement("SELECT state FROM runs WHERE id = :run_id")
"""Where a run stands, for those who wait for its end."""


def router(services: Services) -> APIRouter:
    """Return the routes that run something; the two asynchronous ones take the secret in the query, too."""
    routes = RunnerRoutes(services)
    made = APIRouter(prefix="/cursor", tags=["runner"], route_class=LazyRoute)
    known = [Depends(caller_guard(services))]
    known_by_query = [Depends(caller_guard(services, secret_in_query=True))]
    described = described_body(RunRequest)
    for path, endpoint, guards in (
        ("/execute", routes.execute, known),
        ("/execute/async", routes.execute_async, known_by_query),
        ("/iterate", routes.iterate, known),
        ("/iterate/async", routes.iterate_async, known_by_query),
    ):
        made.add_api_route(
            path,
            endpoint,
            methods=["POST"],
            dependencies=guards,
            response_class=Response,
            openapi_extra=described,
        )
    made.add_api_route(
        "/conversation/new",
        routes.new_conversation,
        methods=["POST"],
        dependencies=known,
        response_class=Response,
        openapi_extra=described_body(NewConversationRequest),
    )
    return made


def open_router(services: Services) -> APIRouter:
    """Return the route that anybody may ask how busy we are."""
    routes = RunnerRoutes(services)
    made = APIRouter(tags=["runner"], route_class=LazyRoute)
    made.add_api_route("/health/queue", routes.queue_health, response_class=Response)
    return made


class RunnerRoutes:
    """The runner's routes."""

    def __init__(self, services: Services) -> None:
        """Keep the service's parts."""
        self._services = services
        self._db = services.db
        self._door = ProgramDoor(services)

    async def execute(self, request: Request) -> Response:
        """Run a prompt and answer with its result; the run goes on when the caller leaves."""
        return await self._run(request, RunMode.EXECUTE)

    async def iterate(self, request: Request) -> Response:
        """Run a prompt until a review says that it is done, and answer with the result."""
        return await self._run(request, RunMode.ITERATE)

    async def execute_async(self, request: Request) -> Response:
        """Accept a prompt; its result goes to the callback."""
        return await self._accept(request, RunMode.EXECUTE)

    async def iterate_async(self, request: Request) -> Response:
        """Accept a prompt to be worked on until it is done; its result goes to the callback."""
        return await self._accept(request, RunMode.ITERATE)

    async def new_conversation(self, request: Request) -> Response:
        """Begin a new conversation as its queue's current one."""
        return await begin_conversation(self._services, self._door, request, default="default")

    async def queue_health(self) -> Response:
        """Tell how many runs work and wait."""
        running, waiting = await self._db.read(lambda conn: (count_running(conn), count_waiting(conn)))
        slots = self._services.settings.slots
        available = max(0, slots - running)
        warning = None
        if not available and waiting:
            warning = f"All {slots} slots are busy and {waiting} requests wait."
        queue = {"available": available, "waiting": waiting, "maxConcurrent": slots}
        body = {"status": "ok", "service": "cursor-runner", "queue": queue, "warning": warning}
        return json_response(body)

    async def _run(self, request: Request, mode: RunMode) -> Response:
        wanted = replace(await self._read(request, mode), callback_url=None)
        accepted = await self._door.accept(caller_of(request), wanted)
        run = await self._end_of(request, accepted.run_id)
        if run is None:
            raise ShortRefusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"Wireroom stops. Run {accepted.run_id} is kept; ask again with id {accepted.request_id}.",
                {"Retry-After": str(RETRY_AFTER_SECONDS)},
            )
        return json_response(result_body(run), http_status(run))

    async def _accept(self, request: Request, mode: RunMode) -> Response:
        wanted = await self._read(request, mode)
        if mode is RunMode.ITERATE and wanted.callback_url is None:
            wanted = replace(wanted, callback_url=self._default_callback())
        accepted = await self._door.accept_or_report(caller_of(request), wanted)
        body = acceptance(accepted.request_id, to_ms(self._services.clock.now()))
        return json_response(body | {"runId": accepted.run_id, "conversationId": accepted.conversation_id})

    async def _read(self, request: Request, mode: RunMode) -> ProgramRequest:
        body = checked(RunRequest, await read_object(request))
        return body.request(mode, fresh_request_id("req", to_ms(self._services.clock.now())))

    def _default_callback(self) -> str | None:
        """Return where a loop reports whose caller names no address; None when the setting is empty."""
        url = self._services.settings.default_callback_url.rstrip("/")
        if not url or urlsplit(url).path:
            return url or None
        return url + _CALLBACK_PATH

    async def _end_of(self, request: Request, run_id: str) -> RunView | None:
        """Wait for the run's end; None when the caller has left, or the service stops."""
        pause = _LOOK_SECONDS if self._db.dialect == "sqlite" else _DEAF_LOOK_SECONDS
        with self._services.feed.listen(run_topic(run_id)) as news:
            while True:
                news.clear()
                state = await self._db.read(lambda conn: _STATE.value(conn, run_id=run_id))
                if state is None or RunState(state).is_final:
                    return await self._db.read(lambda conn: find_run(conn, run_id))
                if news.over or await request.is_disconnected():
                    return None
                await came_within(pause, news.wait())


def acceptance(request_id: str, now_ms: int) -> dict[str, Any]:
    """Return the answer to a request that is stored. Pure."""
    return {"success": True, "message": ACCEPTED, "requestId": request_id, "timestamp": iso(now_ms)}


async def begin_conversation(
    services: Services, door: ProgramDoor, request: Request, *, default: str
) -> Response:
    """Begin a new conversation as its queue's current one, and answer as the older runner did."""
    body = checked(NewConversationRequest, await read_object(request))
    queue_type = body.queue_type or default
    caller, now_ms = caller_of(request), to_ms(services.clock.now())

    def unit(conn: Connection) -> Conversation:
        begun = door.intake.begin(conn, queue_type, now_ms)
        note_action(conn, caller, "conversation.new", begun.id, now_ms=now_ms)
        return begun

    begun = await services.db.write(unit)
    return json_response(
        {
            "success": True,
            "conversationId": begun.id,
            "message": "New conversation created",
            "queueType": queue_type,
        }
    )
