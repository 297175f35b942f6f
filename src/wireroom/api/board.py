"""`/api/board`: the task board as the page shows it, and the moves of its cards.

    GET /api/board?window=ready:0:60&window=done:0:60&q=tests
    → {"columns": {"ready": {"count": 9120, "start": 0, "cards": […]}, "failed": {"count": 0}, …}}
    POST /api/tasks/7/move {"status": "ready", "after": 3, "before": 9, "seen": "backlogged"} → the task

A card is a task of `/api/tasks` whose prompt is cut, with `unmet`: the numbers it still waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import checked, described_body, json_response, read_object
from wireroom.api.services import Services
from wireroom.api.task_bodies import attempt_body, card_body, task_body
from wireroom.backends.registry import FURTHER_NAMES, NAMES
from wireroom.clock import to_ms
from wireroom.errors import BadInput, NotFound
from wireroom.tasks.columns import (
    Column,
    Sought,
    Window,
    cards_of,
    count_columns,
    find_cards,
    labels_in_use,
    repositories_in_use,
    show_window,
    waiting_for,
)
from wireroom.tasks.moving import End, Move, move_task
from wireroom.tasks.requests import LARGEST, read_id
from wireroom.tasks.rows import attempts_of, find_task, limits_by_label
from wireroom.tasks.states import LABELS

MOST_CARDS = 200
"""In one window."""
_MOST_DIGITS = 8
_TaskId = Annotated[int, Field(ge=1, le=LARGEST, description="A task's number.")]
_Windows = Annotated[
    list[str] | None, Query(max_length=len(Column), description="column:start:size, such as ready:0:60.")
]
_Text = Annotated[str, Query(max_length=200, description="In the prompt, or a number.")]
_Label = Annotated[str, Query(max_length=50)]


class MoveBody(BaseModel):
    """Where a task shall go: beside a task of the column, or to one of its ends."""

    model_config = ConfigDict(extra="forbid")

    status: str | None = Field(None, description="ready, complete, …; its own unless said.")
    after: _TaskId | None = None
    before: _TaskId | None = Field(None, description="With both: if `after` has left the column.")
    at: End = Field(End.END, description="If neither is said.")
    seen: str | None = Field(None, description="Refuse if it has another status by now.")

    def move(self) -> Move:
        """Return it as the board takes it.

        Raises:
            BadInput: there is no such status.
        """
        status, seen = (
            _read_status(name, word) for name, word in (("status", self.status), ("seen", self.seen))
        )
        return Move(
            status=None if status is None else LABELS[status],
            after=self.after,
            before=self.before,
            at=self.at,
            seen=None if seen is None else int(LABELS[seen]),
        )


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _BoardRoutes(services)
    made = APIRouter(
        tags=["tasks"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("/api/board", routes.columns)
    made.add_api_route("/api/board/find", routes.find)
    made.add_api_route("/api/board/choices", routes.choices)
    made.add_api_route("/api/board/tasks/{task_id}", routes.task)
    made.add_api_route(
        "/api/tasks/{task_id}/move", routes.move, methods=["POST"], openapi_extra=described_body(MoveBody)
    )
    return made


class _BoardRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db

    async def columns(self, *, window: _Windows = None, q: _Text = "", label: _Label = "") -> Response:
        """Show the counts of all columns, and the cards of those parts of columns that are asked for."""
        windows, sought = [_read_window(one) for one in window or []], Sought(q.strip(), label.strip())

        def unit(conn: Connection) -> dict[str, Any]:
            found: dict[str, Any] = {
                column.value: {"count": count} for column, count in count_columns(conn, sought).items()
            }
            for one in windows:
                cards = [card_body(card) for card in show_window(conn, one, sought)]
                found[one.column.value] |= {"start": one.start, "cards": cards}
            return found

        return json_response({"columns": await self._db.read(unit)})

    async def find(self, q: _Text) -> Response:
        """Find a few tasks by number or words, newest first."""
        found = await self._db.read(lambda conn: find_cards(conn, q.strip()))
        return json_response({"cards": [card_body(card) for card in found]})

    async def choices(self) -> Response:
        """List what a task can be given: back ends, and the labels and repositories that others have."""

        def unit(conn: Connection) -> dict[str, Sequence[str]]:
            return {
                "labels": sorted({*labels_in_use(conn), *limits_by_label(conn)}),
                "repositories": repositories_in_use(conn),
            }

        own = self._services.asker.backend
        backends = [own, *(name for name in (*NAMES, *FURTHER_NAMES) if name != own)]
        return json_response({"backends": backends, **await self._db.read(unit)})

    async def task(self, task_id: str) -> Response:
        """Show one task with its history, what it waits for, and what waits for it."""
        number = read_id(task_id)

        def unit(conn: Connection) -> dict[str, Any]:
            task = find_task(conn, number)
            if task is None:
                raise NotFound("Task not found")
            return {
                "task": task_body(task),
                "attempts": [attempt_body(one) for one in attempts_of(conn, number)],
                "needs": [card_body(card) for card in cards_of(conn, task.needs)],
                "needed_by": [card_body(card) for card in cards_of(conn, waiting_for(conn, number))],
            }

        return json_response(await self._db.read(unit))

    async def move(self, request: Request, task_id: str) -> Response:
        """Move a task to a place in its column or in another, between those who stand there now."""
        number, to = read_id(task_id), checked(MoveBody, await read_object(request)).move()
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> dict[str, Any]:
            task = move_task(conn, self._services.jobs, number, to, now_ms)
            said = f"{task.label}, order {task.order}"
            note_action(conn, caller_of(request), "task.move", str(number), now_ms=now_ms, detail=said)
            return task_body(task)

        return json_response(await self._db.write(unit))


def _read_window(text: str) -> Window:
    column, _, rest = text.partition(":")
    start, _, size = rest.partition(":")
    if column not in set(Column) or not _is_count(start) or not _is_count(size):
        raise BadInput(
            f"window: {text!r} is none; one is column:start:size with a column of {', '.join(Column)}."
        )
    return Window(Column(column), int(start), min(int(size), MOST_CARDS))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _read_status(name: str, word: str | None) -> str | None:
    if word is not None and word not in LABELS:
        raise BadInput(f"{name} must be one of {', '.join(LABELS)}")
    return word
