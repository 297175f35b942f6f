"""`/task-operator`: the operator's switch, its lock, and the callback of the older operator's runners.

    POST /task-operator → {"success": true, "message": "…", "agent": {"name", "jobId", "queue"}}
    GET /task-operator/lock → {"success": true, "isLocked": false, "message": "…"}

Source: contract of cursor-agents, sections A1 and A5.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.bodies import iso
from wireroom.api.callback_inbox import MAX_BODY_BYTES, request_id_of
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import ShortRefusal, json_response, read_object
from wireroom.api.program_bodies import read_fields
from wireroom.api.services import Services
from wireroom.callbacks.inbox import accept_callback
from wireroom.clock import to_ms
from wireroom.errors import BadInput
from wireroom.intake.access import same_secret
from wireroom.intake.webhook import BodyTooLarge
from wireroom.system_settings import SettingChange
from wireroom.tasks.switch import call_of, clear_lock, is_locked, operator_status, turn_off, turn_on

PATH = "/task-operator"
QUEUE = "task-operator"
"""The older operator's queue: ours has one of its own, and only repeats the name."""
_SECRET_HEADERS = ("x-webhook-secret", "x-cursor-runner-secret")


def router(services: Services) -> APIRouter:
    """Return the routes of the switch and the lock; each of them knows its caller."""
    routes = _OperatorRoutes(services)
    made = APIRouter(
        prefix=PATH,
        tags=["task operator"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.status)
    made.add_api_route("", routes.enable, methods=["POST"])
    made.add_api_route("", routes.disable, methods=["DELETE"])
    made.add_api_route("/lock", routes.lock)
    made.add_api_route("/lock", routes.clear_lock, methods=["DELETE"])
    return made


def callback_router(services: Services) -> APIRouter:
    """Return the route of callbacks, which carry a secret of their own."""
    made = APIRouter(
        prefix=PATH, tags=["task operator"], default_response_class=Response, route_class=LazyRoute
    )
    made.add_api_route("/callback", _CallbackRoute(services).receive, methods=["POST"])
    return made


class _OperatorRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db

    @property
    def _now_ms(self) -> int:
        return to_ms(self._services.clock.now())

    async def status(self) -> Response:
        """Tell whether the operator is on, what is at work, and how many tasks there are of each kind."""
        found = await self._db.read(operator_status)
        body = {
            "enabled": found.is_on,
            "atWork": [{"taskId": task_id, "runId": run_id} for task_id, run_id in found.at_work.items()],
            "inProgressElsewhere": found.foreign,
            "counts": found.counts,
            "lastChange": _change_body(found.last_change),
        }
        return json_response(body)

    async def enable(self, request: Request) -> Response:
        """Have the operator begin tasks."""
        queue = (await read_object(request)).get("queue") or QUEUE
        if not isinstance(queue, str):
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "queue must be a string")
        caller, now_ms = caller_of(request), self._now_ms
        await self._db.write(lambda conn: turn_on(conn, self._services.jobs, who=caller.name, now_ms=now_ms))
        message = "Task operator agent enqueued successfully"
        agent = {"name": QUEUE, "jobId": f"{QUEUE}:{now_ms}", "queue": queue}
        return json_response({"success": True, "message": message, "agent": agent})

    async def disable(self, request: Request) -> Response:
        """Have the operator begin nothing more; what is at work goes on."""
        caller, now_ms = caller_of(request), self._now_ms
        await self._db.write(lambda conn: turn_off(conn, who=caller.name, now_ms=now_ms))
        message = (
            "Task operator disabled successfully. It will stop re-enqueueing after current jobs complete."
        )
        return json_response({"success": True, "message": message})

    async def lock(self) -> Response:
        """Tell whether a task is at work."""
        locked = await self._db.read(is_locked)
        message = f"Task operator Redis lock is {'currently' if locked else 'not'} held"
        return json_response({"success": True, "isLocked": locked, "message": message})

    async def clear_lock(self, request: Request) -> Response:
        """Let go of every task in progress: its run is stopped, and it is ready again."""
        caller, now_ms = caller_of(request), self._now_ms

        def unit(conn: Connection) -> int:
            freed = clear_lock(conn, self._services.jobs, now_ms)
            note_action(conn, caller, "task-operator.clear-lock", str(freed), now_ms=now_ms)
            return freed

        cleared = bool(await self._db.write(unit))
        done = "cleared successfully" if cleared else "was not present"
        message = f"Task operator Redis lock {done}"
        return json_response({"success": True, "message": message, "lockCleared": cleared})


class _CallbackRoute:
    def __init__(self, services: Services) -> None:
        self._services = services
        runner = services.settings.cursor_runner_secret.get_secret_value()
        self._secrets = [secret for secret in (services.api_secret, runner) if secret]

    async def receive(self, request: Request) -> Response:
        """Store how a task's remote run ended, before the answer; a repetition changes nothing."""
        if not self._is_known(request):
            return json_response({"error": "Unauthorized"}, HTTPStatus.UNAUTHORIZED)
        try:
            fields = await read_fields(request, MAX_BODY_BYTES)
        except BodyTooLarge as error:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request entity too large") from error
        try:
            request_id = request_id_of(fields)
        except BadInput:
            return json_response({"error": "requestId is required"}, HTTPStatus.BAD_REQUEST)
        await self._accept(request_id, fields)
        return json_response({"received": True, "requestId": request_id})

    async def _accept(self, request_id: str, fields: dict[str, Any]) -> None:
        now_ms, publish = to_ms(self._services.clock.now()), self._services.feed.publish
        payload = result_of(fields)

        def unit(conn: Connection) -> None:
            accept_callback(conn, call_of(conn, request_id), payload, now_ms, publish=publish)

        await self._services.db.write(unit)

    def _is_known(self, request: Request) -> bool:
        offered = [request.headers.get(name) for name in _SECRET_HEADERS]
        offered.append(request.query_params.get("secret"))
        return any(same_secret(value, secret) for value in offered for secret in self._secrets)


def _change_body(change: SettingChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {"at": iso(change.at), "who": change.who, "enabled": change.value == 1}


def result_of(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a callback of the older operator's runners as that of a runner. Pure.

    There `success` was enough, also as a text; an exit code that says otherwise counts.
    """
    succeeded = fields.get("success") in (True, "true")
    return {"exitCode": 0} | fields | {"success": True} if succeeded else fields | {"success": False}
