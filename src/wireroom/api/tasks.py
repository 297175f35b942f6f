"""`/api/tasks` and `/conversations/api/tasks`: the task board.

Bodies are in `task_bodies`, what may be said of a task in `tasks.requests`, what is said beside it in
`task_reading`. A list is a plain array; with `page` or `limit` it is
`{"tasks": […], "pagination": {"page", "limit", "total", "totalPages"}}`.
Source: contract of cursor-runner, section 1.5; contract of cursor-agents, section B2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote, unquote

import msgspec
from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import ShortRefusal, json_response, read_object
from wireroom.api.paging import Cursor, next_link, older_piece
from wireroom.api.requests import idempotency_key
from wireroom.api.services import Services
from wireroom.api.streaming import wants_lines, whole_list
from wireroom.api.task_bodies import attempt_body, pagination_body, task_body
from wireroom.api.task_reading import place_after, task_number, wanted_end, wanted_status
from wireroom.clock import to_ms
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.store.database import Database
from wireroom.tasks import board
from wireroom.tasks.listing import MOST_LISTED, Wanted, count_tasks, list_tasks
from wireroom.tasks.moving import add_at
from wireroom.tasks.once import add_once
from wireroom.tasks.requests import TaskFields, read_fields, refuse_unknown_backend
from wireroom.tasks.rows import TaskView, attempts_of, find_task, limits_by_label
from wireroom.tasks.states import shown_stamp

PATHS = ("/api/tasks", "/conversations/api/tasks")
MOST_ON_PAGE = 500
_PAGE = 20
"""Tasks on a page unless said otherwise."""
T = TypeVar("T")
_Page = Annotated[int | None, Query(ge=1, le=1_000_000)]
_Limit = Annotated[int | None, Query(ge=1, le=MOST_ON_PAGE)]
_Status = Annotated[str | None, Query(description="0 to 4.")]
_Label = Annotated[str | None, Query(description="ready, complete, archived, backlogged or in_progress.")]
_Conversation = Annotated[str | None, Query(description="That a task was worked on in.", max_length=200)]
_SortBy = Annotated[Literal["order", "createdat", "updatedat", "id"], Query(alias="sortBy")]
_SortOrder = Annotated[Literal["asc", "desc"], Query(alias="sortOrder")]
_Refusals = (
    (BadInput, HTTPStatus.BAD_REQUEST),
    (NotFound, HTTPStatus.NOT_FOUND),
    (Conflict, HTTPStatus.CONFLICT),
)


def router(services: Services, prefix: str) -> APIRouter:
    """Return the routes below one of `PATHS`; mount them before the conversations' catch-all."""
    routes = _TaskRoutes(services)
    made = APIRouter(
        prefix=prefix,
        tags=["tasks"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("", routes.add, methods=["POST"], status_code=HTTPStatus.CREATED)
    made.add_api_route("/limits", routes.limits)
    made.add_api_route("/limits/{label}", routes.set_limit, methods=["PUT"])
    made.add_api_route("/{task_id}", routes.show)
    made.add_api_route("/{task_id}", routes.edit, methods=["PUT"])
    made.add_api_route("/{task_id}", routes.edit, methods=["PATCH"])
    made.add_api_route("/{task_id}", routes.delete, methods=["DELETE"])
    made.add_api_route("/{task_id}/retry", routes.retry, methods=["POST"])
    made.add_api_route("/{task_id}/attempts", routes.attempts)
    return made


class _TaskRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db

    async def list_all(
        self,
        request: Request,
        *,
        page: _Page = None,
        limit: _Limit = None,
        per_page: _Limit = None,
        cursor: Cursor = None,
        status: _Status = None,
        status_label: _Label = None,
        conversation_id: _Conversation = None,
        sort_by: _SortBy = "order",
        sort_order: _SortOrder = "asc",
        dead: bool = False,
    ) -> Response:
        """List tasks; `X-Total-Count` tells how many there are in all, `dead` asks for those given up.

        `Link` tells where a list that is sorted by `order` goes on. Asked for as lines of JSON, it lists all.
        """
        wanted = Wanted(
            status=wanted_status(status, status_label),
            dead_only=dead,
            conversation_id=conversation_id or None,
            sort_by=sort_by,
            newest_first=sort_order == "desc",
        )
        if wants_lines(request):
            return _lines(self._db, wanted)
        limit = per_page or limit
        size = limit or (_PAGE if page or cursor else MOST_LISTED)
        piece = older_piece(size, 0, page, None, place_after(cursor, sort_by))
        part = replace(wanted, limit=piece.limit, offset=piece.offset, after=piece.after)

        def read(conn: Connection) -> tuple[Sequence[TaskView], int]:
            return list_tasks(conn, part), count_tasks(conn, part)

        listed, total = await self._db.read(read)
        found = piece.cut(listed)
        bodies = [task_body(task) for task in found.items]
        # Another program may have stored anything as an order; what is no number has no cursor.
        has_cursor = sort_by == "order" and bool(listed) and isinstance(found.items[-1].order, int)
        more = next_link(request, found.cursor("order", "id") if has_cursor else None)
        headers = {"X-Total-Count": str(total), **more}
        if page is None and limit is None and cursor is None:
            return json_response(bodies, headers=headers)
        paged = {"tasks": bodies, "pagination": pagination_body(page or 1, size, total)}
        return json_response(paged, headers=headers)

    async def add(self, request: Request) -> Response:
        """Add a task; with `at` as `top` or `end`, at that end of its column instead of by its `order`.

        `Idempotency-Key`, or `idempotencyKey` in the body, makes repetitions one task.
        """
        sent, jobs = await read_object(request), self._services.jobs
        said, at, key = self._fields(sent, new=True), wanted_end(sent.get("at")), self._key(request, sent)

        def add(conn: Connection, now_ms: int) -> TaskView:
            return add_at(conn, jobs, said, at, now_ms) if at else board.add_task(conn, jobs, said, now_ms)

        def unit(conn: Connection, now_ms: int) -> TaskView:
            return add_once(conn, key, said.prompt, lambda: add(conn, now_ms)) if key else add(conn, now_ms)

        body = await self._change(request, "task.add", unit)
        return json_response(body, HTTPStatus.CREATED)

    async def show(self, task_id: str) -> Response:
        """Show a task; the `ETag` is what `If-Match` compares."""
        number = task_number(task_id)
        task = await self._db.read(lambda conn: find_task(conn, number))
        if task is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, "Task not found")
        return json_response(task_body(task), headers={"ETag": _etag(task)})

    async def edit(self, request: Request, task_id: str) -> Response:
        """Change what is named; with `updatedat` or `If-Match`, only if nothing has changed since then."""
        number, body = task_number(task_id), await read_object(request)
        seen = unquote(request.headers.get("if-match", "").strip().removeprefix("W/").strip('"'))
        said = self._fields(body | {"updatedat": seen} if seen not in {"", "*"} else body, new=False)
        jobs = self._services.jobs
        changed = await self._change(
            request, "task.edit", lambda conn, now_ms: board.edit_task(conn, jobs, number, said, now_ms)
        )
        return json_response(changed)

    async def delete(self, request: Request, task_id: str) -> Response:
        """Delete a task for good; a run that works on it is stopped."""
        number, jobs = task_number(task_id), self._services.jobs

        def unit(conn: Connection, now_ms: int) -> None:
            board.delete_task(conn, jobs, number, now_ms)
            note_action(conn, caller_of(request), "task.delete", str(number), now_ms=now_ms)

        await self._write(unit)
        return json_response({"success": True, "message": "Task deleted"})

    async def retry(self, request: Request, task_id: str) -> Response:
        """Make a task ready, as if it had never failed."""
        number, jobs = task_number(task_id), self._services.jobs
        body = await self._change(
            request, "task.retry", lambda conn, now_ms: board.retry_task(conn, jobs, number, now_ms)
        )
        return json_response(body)

    async def attempts(self, task_id: str) -> Response:
        """List a task's attempts, newest first."""
        number = task_number(task_id)
        found = await self._db.read(
            lambda conn: None if find_task(conn, number) is None else attempts_of(conn, number)
        )
        if found is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, "Task not found")
        return json_response({"attempts": [attempt_body(one) for one in found]})

    async def limits(self) -> Response:
        """List the labels of which only so many tasks may be at work at once."""
        return json_response({"limits": await self._db.read(limits_by_label)})

    async def set_limit(self, request: Request, label: str) -> Response:
        """Let at most `most` tasks of a label be at work at once; null for no limit."""
        most = (await read_object(request)).get("most")
        if most is not None and (not isinstance(most, int) or isinstance(most, bool)):
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "most must be a number, or null")

        def unit(conn: Connection, now_ms: int) -> None:
            board.set_limit(conn, self._services.jobs, label, most)
            note_action(conn, caller_of(request), "task.limit", label, now_ms=now_ms, detail=str(most))

        await self._write(unit)
        return json_response({"label": label, "most": most})

    def _fields(self, body: dict[str, Any], *, new: bool) -> TaskFields:
        try:
            said = read_fields(body, new=new)
            refuse_unknown_backend(said, self._services.asker.backend)
        except BadInput as error:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        return said

    def _key(self, request: Request, sent: Mapping[str, Any]) -> str | None:
        try:
            return idempotency_key(request, sent)
        except BadInput as error:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, str(error)) from error

    async def _change(
        self, request: Request, action: str, change: Callable[[Connection, int], TaskView]
    ) -> dict[str, Any]:
        """Do it, note who did, and return the task as it is now."""

        def unit(conn: Connection, now_ms: int) -> dict[str, Any]:
            task = change(conn, now_ms)
            note_action(conn, caller_of(request), action, str(task.id), now_ms=now_ms)
            return task_body(task)

        return await self._write(unit)

    async def _write(self, unit: Callable[[Connection, int], T]) -> T:
        now_ms = to_ms(self._services.clock.now())
        try:
            return await self._db.write(lambda conn: unit(conn, now_ms))
        except (BadInput, NotFound, Conflict) as error:
            status = next(status for kind, status in _Refusals if isinstance(error, kind))
            raise ShortRefusal(status, str(error)) from error


def _lines(db: Database, wanted: Wanted) -> Response:
    """Return the whole list; in the order of the board, whatever was asked for."""
    return whole_list(
        db,
        lambda conn, after, size: list_tasks(conn, replace(wanted, sort_by="order", limit=size, after=after)),
        lambda task: (task.order, task.id),
        lambda task: msgspec.json.encode(task_body(task)),
    )


def _etag(task: TaskView) -> str:
    """Return when the task was changed; another program may have put any text there."""
    return f'"{quote(shown_stamp(task.updatedat) or "", safe=":")}"'
