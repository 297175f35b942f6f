"""`/api/run-views`: runs as the page shows them, and their logs by kind and word.

    GET /api/run-views?state=failed&source=task&words=login
    → {"runs": [{"id": "run-1", "prompt_excerpt": "Mend the login", …}], "backends": […], "next_cursor": null}

Words have no index, so a look goes through a bounded number of rows and says where to look on. What programs
need is in `runs`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection
from starlette.responses import Response

from wireroom.api.bodies import EventBody
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.log_text import LogText
from wireroom.api.paging import Cursor, cursor_of, read_cursor
from wireroom.api.requests import LARGEST
from wireroom.api.run_view_bodies import (
    AttemptBody,
    LogPieceBody,
    MatchesBody,
    RoundBody,
    RunLineBody,
    RunLinesBody,
    RunViewBody,
)
from wireroom.api.services import Services
from wireroom.errors import NotFound
from wireroom.runs.log_search import LogFilter, find_in_log, read_matching
from wireroom.runs.look import RunLine, Wanted, backends_in_use, look_for_runs, read_attempts
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.rounds import read_rounds
from wireroom.runs.states import RunState
from wireroom.store.database import Database

MOST_IDS = 100
_Words = Annotated[str, Query(max_length=200, description="Part of what is told; empty for anything.")]
_KindName = Literal[
    "text",
    "thought",
    "tool_call",
    "tool_result",
    "plan",
    "session",
    "usage",
    "notice",
    "permission",
    "round",
    "state",
    "error",
]
_Kinds = Annotated[
    list[_KindName] | None,
    Query(max_length=20, description="Kinds of events, and `error` for what went wrong; none for any."),
]
_After = Annotated[int, Query(ge=0, le=LARGEST, description="Number of the last event you have.")]
_Limit = Annotated[int, Query(ge=1, le=1000)]


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _ViewRoutes(services.db)
    made = APIRouter(
        prefix="/api/run-views",
        tags=["page"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.find)
    made.add_api_route("/{run_id}", routes.show)
    made.add_api_route("/{run_id}/matches", routes.matches)
    made.add_api_route("/{run_id}/log", routes.log)
    made.add_api_route("/{run_id}/log.txt", routes.text, response_class=Response)
    return made


class _ViewRoutes:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def find(
        self,
        *,
        state: RunState | None = None,
        source: Annotated[str | None, Query(max_length=40)] = None,
        backend: Annotated[str | None, Query(max_length=100)] = None,
        words: Annotated[str | None, Query(max_length=200, description="In the prompt, or an id.")] = None,
        run_id: Annotated[list[str] | None, Query(max_length=MOST_IDS, description="Only these.")] = None,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> RunLinesBody:
        """Look for runs, newest first; a piece may be short, or empty, with more behind it."""
        after = read_cursor(cursor, int, str)
        wanted = Wanted(state, source, backend, words, tuple(run_id or ()))
        looked, backends = await self._db.read(
            lambda conn: (look_for_runs(conn, wanted, limit, after), backends_in_use(conn))
        )
        return RunLinesBody(
            runs=[RunLineBody.of(line) for line in looked.lines],
            backends=list(backends),
            next_cursor=None if looked.next_place is None else cursor_of(looked.next_place),
        )

    async def show(self, run_id: str) -> RunViewBody:
        """Show one run with its attempts, its rounds, and its answer as safe HTML."""
        run, line, attempts, rounds = await self._db.read(lambda conn: _read(conn, run_id))
        return await asyncio.to_thread(RunViewBody.of, run, line, attempts, rounds)

    async def matches(
        self,
        run_id: str,
        *,
        kind: _Kinds = None,
        words: _Words = "",
        after: _After = 0,
    ) -> MatchesBody:
        """Tell which of the next events fit; look on from `looked_to` until it is `event_count`."""

        def read(conn: Connection) -> MatchesBody:
            run = _existing(conn, run_id)
            found = find_in_log(conn, run.id, LogFilter(kind or (), words), after, run.event_count)
            return MatchesBody(
                matches=list(found.numbers), looked_to=found.looked_to, event_count=run.event_count
            )

        return await self._db.read(read)

    async def log(
        self,
        run_id: str,
        *,
        kind: _Kinds = None,
        words: _Words = "",
        after: _After = 0,
        limit: _Limit = 200,
    ) -> LogPieceBody:
        """Return the next events of the log that fit."""

        def read(conn: Connection) -> LogPieceBody:
            run = _existing(conn, run_id)
            wanted = LogFilter(kind or (), words)
            found = read_matching(conn, run.id, wanted, after=after, limit=limit, last=run.event_count)
            return LogPieceBody(events=[EventBody.of(event) for event in found])

        return await self._db.read(read)

    async def text(self, run_id: str, *, kind: _Kinds = None, words: _Words = "") -> Response:
        """Send the log, or what fits of it, as a text file: a line for each event, however many."""
        run = await self._db.read(lambda conn: _existing(conn, run_id))
        return LogText(self._db, run, LogFilter(kind or (), words))


def _read(conn: Connection, run_id: str) -> tuple[RunView, RunLine, list[AttemptBody], list[RoundBody]]:
    run = _existing(conn, run_id)
    line = look_for_runs(conn, Wanted(ids=(run.id,)), 1).lines[0]
    attempts = [AttemptBody.of(attempt) for attempt in read_attempts(conn, run.id)]
    return run, line, attempts, [RoundBody.of(one) for one in read_rounds(conn, run.id)]


def _existing(conn: Connection, run_id: str) -> RunView:
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run
