"""`/api/dead-letters`: everything that was given up, in one place, to be tried again or dropped.

    GET /api/dead-letters → {"total": 3, "counts": {"updates": 0, "deliveries": 2, "callbacks": 0, "tasks": 1,
                             "calls": 0}}
    POST /api/dead-letters/retry {"kind": "deliveries", "ids": [1, 2]} → {"kind": "deliveries",
        "action": "retry", "done": 1, "items": [{"id": 1, "outcome": "retried"},
        {"id": 2, "outcome": "not_dead"}], "next": null}

One call changes at most `MOST_AT_ONCE`, in one transaction, by a number of statements that does not grow with
them. Only what is dead is changed, so a call that is repeated sends nothing twice.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, model_validator
from sqlalchemy import Connection, insert
from starlette.requests import Request

from wireroom.api.auth import Caller
from wireroom.api.bodies import Pagination, iso_or_none
from wireroom.api.dead_letter_kinds import DeadKind, DeadLetter, Kind, dead_kinds
from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.paging import Cursor, piece_of
from wireroom.api.requests import LARGEST, PerPage, bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.store.schema import audit

MOST_AT_ONCE = 200
_MAX_BODY_BYTES = 10_000
Action = Literal["retry", "discard"]
Outcome = Literal["retried", "discarded", "not_dead"]
_DONE: dict[Action, Outcome] = {"retry": "retried", "discard": "discarded"}
_Id = Annotated[int, Field(ge=1, le=LARGEST)]


class DeadCountsBody(BaseModel):
    """How many dead letters there are."""

    total: int
    counts: dict[Kind, int]


class DeadLetterBody(BaseModel):
    """A dead letter; null for what its kind does not have."""

    id: int
    reason: str | None
    excerpt: str | None = Field(description="The beginning of what it says.")
    attempts: int | None
    created_at: str | None
    given_up_at: str | None
    lane: str | None
    address: str | None = Field(description="Where a callback goes, without the query.")
    agent: str | None = Field(description="Whose call it is.")
    what: str | None = Field(description="Of an update, its kind; of an agent's call, call or prompt.")
    run_id: str | None

    @classmethod
    def of(cls, letter: DeadLetter) -> DeadLetterBody:
        """Return the letter as it is sent."""
        return cls(
            id=letter.id,
            reason=letter.reason,
            excerpt=letter.excerpt,
            attempts=letter.attempts,
            created_at=iso_or_none(letter.created_at),
            given_up_at=iso_or_none(letter.given_up_at),
            lane=letter.lane,
            address=letter.address,
            agent=letter.agent,
            what=letter.what,
            run_id=letter.run_id,
        )


class DeadLetterListBody(BaseModel):
    """One page of the dead letters of a kind, newest first."""

    kind: Kind
    letters: list[DeadLetterBody]
    pagination: Pagination


class WhichLetters(BaseModel):
    """Which dead letters: those of `ids`, or the next ones above `after`, lowest first."""

    kind: Kind
    ids: list[_Id] | None = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)
    after: int | None = Field(
        default=None, ge=0, le=LARGEST, description="0 for the first call, then what `next` says."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.ids is None) is (self.after is None):
            raise ValueError("give either ids or after")
        return self


class LetterOutcome(BaseModel):
    """What became of one letter."""

    id: int
    outcome: Outcome = Field(description="not_dead: it is not dead, or not any more; nothing was done.")


class ChangedBody(BaseModel):
    """What was done."""

    kind: Kind
    action: Action
    done: int = Field(description="How many were dead and are not any more.")
    items: list[LetterOutcome]
    next: int | None = Field(description="`after` of the next call; null when there may be no more.")


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _DeadLetterRoutes(services)
    made = APIRouter(
        prefix="/api/dead-letters",
        tags=["dead letters"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.count)
    made.add_api_route("/retry", routes.retry, methods=["POST"])
    made.add_api_route("/discard", routes.discard, methods=["POST"])
    made.add_api_route("/{kind}", routes.list_kind)
    return made


class _DeadLetterRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._kinds = dead_kinds(services.jobs, services.desk)

    async def count(self) -> DeadCountsBody:
        """Count the dead letters of each kind."""
        counts = await self._services.db.read(
            lambda conn: {kind: rules.count(conn) for kind, rules in self._kinds.items()}
        )
        return DeadCountsBody(total=sum(counts.values()), counts=counts)

    async def list_kind(
        self, kind: Kind, *, per_page: PerPage = 50, cursor: Cursor = None
    ) -> DeadLetterListBody:
        """List the dead letters of one kind, newest first."""
        piece, rules = piece_of(1, per_page, cursor, int), self._kinds[kind]
        before = None if piece.after is None else piece.after[0]
        read, total = await self._services.db.read(
            lambda conn: (rules.list(conn, piece.limit, before), rules.count(conn))
        )
        found = piece.cut(read)
        letters = [DeadLetterBody.of(letter) for letter in found.items]
        standing = Pagination.of(1, per_page, total, found.cursor("id"))
        return DeadLetterListBody(kind=kind, letters=letters, pagination=standing)

    async def retry(self, request: Request, which: WhichLetters) -> ChangedBody:
        """Try dead letters again, oldest first; an update is handled, a message sent, a task made ready."""
        return await self._change(request, which, "retry")

    async def discard(self, request: Request, which: WhichLetters) -> ChangedBody:
        """Drop dead letters for good; a task stays on the board, in the backlog."""
        return await self._change(request, which, "discard")

    async def _change(self, request: Request, which: WhichLetters, action: Action) -> ChangedBody:
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())
        rules = self._kinds[which.kind]

        def unit(conn: Connection) -> tuple[list[int], set[int]]:
            ids = _wanted(conn, rules, which)
            change = rules.retry if action == "retry" else rules.discard
            done = set(change(conn, ids, now_ms))
            _note_all(conn, caller, f"{rules.subject}.{action}", sorted(done), now_ms)
            return ids, done

        ids, done = await self._services.db.write(unit)
        has_more = which.ids is None and len(ids) == MOST_AT_ONCE
        return ChangedBody(
            kind=which.kind,
            action=action,
            done=len(done),
            items=[
                LetterOutcome(id=one, outcome=_DONE[action] if one in done else "not_dead") for one in ids
            ],
            next=ids[-1] if has_more else None,
        )


def _wanted(conn: Connection, rules: DeadKind, which: WhichLetters) -> list[int]:
    if which.ids is not None:
        return sorted(set(which.ids))
    return list(rules.ids(conn, which.after or 0, MOST_AT_ONCE))


def _note_all(conn: Connection, caller: Caller, action: str, ids: list[int], now_ms: int) -> None:
    """Write a row of the audit for each letter, as a change of that letter alone would have."""
    if ids:
        rows = [
            {"created_at": now_ms, "who": caller.name, "action": action, "subject": str(one), "detail": None}
            for one in ids
        ]
        conn.execute(insert(audit), rows)
