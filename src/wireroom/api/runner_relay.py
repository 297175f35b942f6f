"""`/cursor-runner/cursor/*`, `/cursor-runner/git/*`: the runner's operations on the chat front end's paths.

The older front end passed them on to the runner; here they are the runner's own operations. What differs is
in this file: the spelling of names, one default, the statuses, and the list of repositories.
Source: contract of telegram-receiver, sections 1.1 and 1.6.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wireroom.api.auth import identify
from wireroom.api.errors import RETRY_AFTER_SECONDS, status_of
from wireroom.api.program_bodies import in_camel_case, read_fields
from wireroom.api.services import Services
from wireroom.errors import BadInput, WireroomError
from wireroom.intake.webhook import BodyTooLarge

T = TypeVar("T")
PREFIX = "/cursor-runner"
MAX_BODY_BYTES = 1024 * 1024
_MAX_ITERATIONS = 25
"""What the front end asks for when its caller says nothing; the runner's own default is lower."""
_KEPT = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.TOO_MANY_REQUESTS}
)


class Operation(StrEnum):
    """What the runner can be asked for."""

    EXECUTE = "execute"
    EXECUTE_ASYNC = "execute/async"
    ITERATE = "iterate"
    CLONE = "clone"
    REPOSITORIES = "repositories"
    CHECKOUT = "checkout"
    PUSH = "push"
    PULL = "pull"


@dataclass(frozen=True, slots=True)
class RunnerAnswer:
    """What the runner's own route answers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class RunnerCalls(Protocol):
    """The runner's operations, without HTTP around them."""

    async def call(self, operation: Operation, fields: Mapping[str, Any]) -> RunnerAnswer:
        """Do it and return what the runner's own route would answer.

        Args:
            operation: What to do.
            fields: The body, names in camelCase.

        Raises:
            WireroomError: it could not be done.
        """
        ...


_PATHS = {
    "/cursor/execute": Operation.EXECUTE,
    "/cursor/iterate": Operation.ITERATE,
    "/git/clone": Operation.CLONE,
    "/git/repositories": Operation.REPOSITORIES,
    "/git/checkout": Operation.CHECKOUT,
    "/git/push": Operation.PUSH,
    "/git/pull": Operation.PULL,
}


class RunnerRelay:
    """Serves the paths."""

    def __init__(self, services: Services, runner: RunnerCalls) -> None:
        """Serve by the runner's operations."""
        self._services = services
        self._runner = runner

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route(
                PREFIX + path,
                self._route(operation),
                methods=["GET" if operation is Operation.REPOSITORIES else "POST"],
            )
            for path, operation in _PATHS.items()
        ]

    def _route(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def route(request: Request) -> Response:
            caller = await identify(request, self._services)
            if caller is None or caller.session is not None:
                return _refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized: send the secret as X-Webhook-Secret.")
            try:
                fields = request_fields(operation, await read_fields(request, MAX_BODY_BYTES))
            except BodyTooLarge:
                message = f"A request may have at most {MAX_BODY_BYTES} bytes."
                return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
            except BadInput as error:
                return _refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
            found = await unless_left(request, self._call(operation, fields))
            if found is None:
                return Response(status_code=HTTPStatus.NO_CONTENT)
            answer = relayed(operation, found)
            return JSONResponse(dict(answer.body), answer.status, headers=dict(answer.headers))

        return route

    async def _call(self, operation: Operation, fields: Mapping[str, Any]) -> RunnerAnswer:
        try:
            return await self._runner.call(operation, fields)
        except WireroomError as error:
            status = status_of(error)
            if status is None:
                raise
            busy = status is HTTPStatus.SERVICE_UNAVAILABLE
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if busy else {}
            return RunnerAnswer(status, {"success": False, "error": str(error)}, headers)


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what the work gives; None when the caller has left, which cancels it."""
    task = asyncio.create_task(work, name=f"relay {request.url.path}")
    leaving = asyncio.create_task(_left(request), name="caller leaves")
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        for one in (task, leaving):
            one.cancel("the caller has its answer, or has left")
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def request_fields(operation: Operation, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the runner is asked, from what the front end was asked. Pure.

    `{"prompt": "x", "request_id": "r1"}` of an iterate gives
    `{"prompt": "x", "id": "r1", "maxIterations": 25}`.
    """
    asked = in_camel_case(fields)
    if (request_id := asked.pop("requestId", None)) is not None:
        asked.setdefault("id", request_id)
    if operation is Operation.ITERATE and asked.get("maxIterations") in {None, ""}:
        asked["maxIterations"] = _MAX_ITERATIONS
    return asked


def relayed(operation: Operation, answer: RunnerAnswer) -> RunnerAnswer:
    """Return what the front end answers. Pure.

    200 if the body says success, 422 if it does not, 502 for what the runner could not do; who may not, asks
    for too much or too often is told so as by the runner itself.
    """
    body = answer.body
    if operation is Operation.REPOSITORIES and isinstance(found := body.get("repositories"), list):
        body = {**body, "repositories": [_name_of(one) for one in found]}
    return replace(answer, status=_relayed_status(answer), body=body)


def _relayed_status(answer: RunnerAnswer) -> int:
    if answer.status in _KEPT:
        return answer.status
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return HTTPStatus.BAD_GATEWAY
    return HTTPStatus.OK if answer.body.get("success") is True else HTTPStatus.UNPROCESSABLE_ENTITY


def _name_of(repository: Any) -> Any:
    return repository.get("name") if isinstance(repository, dict) else repository


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"success": False, "error": message}, status)
