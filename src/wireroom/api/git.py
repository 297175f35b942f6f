"""`/git/*`: the runner's git operations on the checkouts below the repositories' folder.

    POST /git/clone {"repositoryUrl": "https://host/o/app.git"}
    → {"success": true, "repository": "app", "path": "/srv/repositories/app", "message": "…"}

What git refuses is answered 500 with its own words, as the older runner did.
Source: contract of cursor-runner, section 1.9.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.auth import Caller
from wireroom.api.errors import error_response
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import described_body, json_response, read_object
from wireroom.api.runner_relay import Operation, RunnerAnswer
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput
from wireroom.workspaces.git import GitFailed
from wireroom.workspaces.repositories import Done
from wireroom.workspaces.workspace import Workspaces

_PROGRAM = Caller("program")
_BRANCH_COMMANDS = (Operation.CHECKOUT, Operation.PUSH, Operation.PULL)


class CloneRequest(BaseModel):
    """What to clone."""

    repositoryUrl: str = Field(description="https or ssh; see GIT_ALLOW_PROTOCOL.")  # noqa: N815 - the wire's
    repositoryName: str | None = Field(None, description="Default: as the address ends.")  # noqa: N815


class BranchRequest(BaseModel):
    """Which branch of which repository."""

    repository: str
    branch: str


def router(services: Services, workspaces: Workspaces) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    operations = GitOperations(services, workspaces)
    made = APIRouter(
        prefix="/git", tags=["git"], dependencies=[Depends(caller_guard(services))], route_class=LazyRoute
    )
    made.add_api_route("/repositories", _route(operations, Operation.REPOSITORIES), response_class=Response)
    for operation in (Operation.CLONE, *_BRANCH_COMMANDS):
        model = CloneRequest if operation is Operation.CLONE else BranchRequest
        made.add_api_route(
            f"/{operation}",
            _route(operations, operation),
            methods=["POST"],
            response_class=Response,
            openapi_extra=described_body(model),
        )
    return made


class GitOperations:
    """The git half of the runner's operations, without HTTP around them; see `runner_relay.RunnerCalls`."""

    def __init__(self, services: Services, workspaces: Workspaces) -> None:
        """Work on the repositories of this installation."""
        self._services = services
        self._repositories = workspaces.repositories

    async def call(
        self, operation: Operation, fields: Mapping[str, Any], caller: Caller = _PROGRAM
    ) -> RunnerAnswer:
        """Do it and return what is answered; what git refuses is a 500 with its words.

        Args:
            operation: One of the five of git.
            fields: The body: `repositoryUrl` and `repositoryName`, or `repository` and `branch`.
            caller: Who asks, for the audit.

        Raises:
            BadInput, NotFound, Conflict: it cannot be meant; see `Repositories`.
        """
        try:
            if operation is Operation.REPOSITORIES:
                return RunnerAnswer(HTTPStatus.OK, await self._list())
            if operation is Operation.CLONE:
                body = await self._clone(fields)
            else:
                body = await self._on_branch(operation, fields)
        except GitFailed as error:
            body = {"success": False, "error": str(error)}
            return RunnerAnswer(HTTPStatus.INTERNAL_SERVER_ERROR, body)
        await self._note(caller, operation, body)
        return RunnerAnswer(HTTPStatus.OK, body)

    async def _list(self) -> dict[str, Any]:
        found = [
            {"name": one.name, "path": str(one.path), "remote": one.remote, "currentBranch": one.branch}
            for one in await self._repositories.checkouts()
        ]
        return {"success": True, "repositories": found, "count": len(found)}

    async def _clone(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        address, wanted = _text(fields, "repositoryUrl"), _text(fields, "repositoryName")
        if not address:
            raise BadInput("repositoryUrl is required")
        name, done = await self._repositories.clone(address, wanted or None)
        path = str(self._repositories.root / name)
        return {"success": True, "repository": name, "path": path, "message": done.message}

    async def _on_branch(self, operation: Operation, fields: Mapping[str, Any]) -> dict[str, Any]:
        name, branch = _text(fields, "repository"), _text(fields, "branch")
        if not (name and branch):
            raise BadInput("repository and branch are required")
        commands: dict[Operation, Callable[[str, str], Awaitable[Done]]] = {
            Operation.CHECKOUT: self._repositories.check_out,
            Operation.PUSH: self._repositories.push,
            Operation.PULL: self._repositories.pull,
        }
        done = await commands[operation](name, branch)
        body = {"success": True, "repository": name, "branch": branch, "message": done.message}
        return body | {"output": done.output} if done.output else body

    async def _note(self, caller: Caller, operation: Operation, body: Mapping[str, Any]) -> None:
        now_ms = to_ms(self._services.clock.now())
        await self._services.db.write(
            lambda conn: note_action(
                conn, caller, f"git.{operation}", body["repository"], now_ms=now_ms, detail=body.get("branch")
            )
        )


def _route(operations: GitOperations, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def route(request: Request) -> Response:
        fields = {} if operation is Operation.REPOSITORIES else await read_object(request)
        answer = await operations.call(operation, fields, caller_of(request))
        if answer.status != HTTPStatus.OK:
            return error_response(request, answer.status, answer.body["error"])
        return json_response(answer.body)

    route.__doc__ = _ABOUT[operation]
    route.__name__ = f"git_{operation}"
    return route


_ABOUT = {
    Operation.REPOSITORIES: "List the git repositories below the repositories' folder.",
    Operation.CLONE: "Clone a repository; again for the same address it is left as it is.",
    Operation.CHECKOUT: "Check out a branch: the local one, else the remote's, else a new one.",
    Operation.PUSH: "Push a branch to `origin`, never forced.",
    Operation.PULL: "Bring a branch up to `origin`'s, by fast forward only.",
}


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value.strip() if isinstance(value, str) else ""
