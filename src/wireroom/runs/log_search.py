"""Looks through a run's log for kinds of events and for words, in pieces of bounded work.

A log may have a million events, and nobody waits for all of them: each look goes through some, tells which
of them fit and how far it has come, and the next one goes on there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select

from wireroom.backends.protocol import EventKind
from wireroom.runs.events import StoredEvent
from wireroom.store.schema import run_events

MOST_LOOKED_AT = 20_000
"""Events that one look goes through."""
ERRORS = "error"
_MAY_BE_ERRORS = frozenset({EventKind.TOOL_RESULT.value, EventKind.STATE.value})
_BAD_ENDS = frozenset({"failed", "timed_out", "exhausted", "interrupted"})
_TOLD = ("state", "verdict", "name", "tool", "text", "summary", "reason", "session_id")
"""Fields whose values people read."""


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which events are looked for; empty means any."""

    kinds: Collection[str] = ()
    """Of `EventKind`, and `ERRORS` for what went wrong."""
    words: str = ""
    """Part of what the event tells; case counts for letters beyond ASCII only."""

    def fits(self, kind: str, payload: dict[str, Any]) -> bool:
        """Tell whether an event fits. Pure."""
        is_of_kind = (
            not self.kinds or kind in self.kinds or (ERRORS in self.kinds and is_error(kind, payload))
        )
        return is_of_kind and (not self.words or is_told(payload, self.words))


@dataclass(frozen=True, slots=True)
class Matches:
    """What one look found."""

    numbers: Sequence[int]
    """Of the events that fit, in order."""
    looked_to: int
    """Number of the last event that was looked at."""


def find_in_log(conn: Connection, run_id: str, wanted: LogFilter, after: int, last: int) -> Matches:
    """Return which of the next events fit, up to the number `last`."""
    until = min(after + MOST_LOOKED_AT, last)
    query = _fitting(run_id, wanted).where(run_events.c.seq > after, run_events.c.seq <= until)
    return Matches([event.seq for event in _events(conn, query, wanted)], max(after, until))


def read_matching(
    conn: Connection, run_id: str, wanted: LogFilter, *, after: int, limit: int, last: int
) -> list[StoredEvent]:
    """Return the next events that fit, at most `limit`, of at most `MOST_LOOKED_AT` after the cursor."""
    until = min(after + MOST_LOOKED_AT, last)
    query = _fitting(run_id, wanted).where(run_events.c.seq > after, run_events.c.seq <= until)
    found = _events(conn, query, wanted)
    return [event for event, _ in zip(found, range(limit), strict=False)]


def is_error(kind: str, payload: dict[str, Any]) -> bool:
    """Tell whether an event is of something that went wrong: a tool that failed, a bad end. Pure."""
    if kind == EventKind.TOOL_RESULT:
        return not payload.get("ok")
    return kind == EventKind.STATE and payload.get("state") in _BAD_ENDS


def is_told(payload: dict[str, Any], words: str) -> bool:
    """Tell whether the words stand in what an event tells people, not in the names of its fields. Pure."""
    return words.casefold() in words_of(payload).casefold()


def words_of(payload: dict[str, Any]) -> str:
    """Return what an event tells people, as one text. Pure."""
    steps = payload.get("steps") or ()
    told = [str(payload[name]) for name in _TOLD if payload.get(name)]
    return "\n".join([*told, *(str(step.get("text", "")) for step in steps)])


def _fitting(run_id: str, wanted: LogFilter) -> Select[Any]:
    query = select(run_events).where(run_events.c.run_id == run_id).order_by(run_events.c.seq)
    if wanted.kinds:
        kinds = {*wanted.kinds, *(_MAY_BE_ERRORS if ERRORS in wanted.kinds else ())}
        query = query.where(run_events.c.kind.in_(sorted(kinds)))
    if wanted.words:
        # As the words stand in JSON; the payload is then looked at again, without the names of its fields.
        quoted = msgspec.json.encode(wanted.words).decode()[1:-1]
        query = query.where(run_events.c.payload.icontains(quoted, autoescape=True))
    return query


def _events(conn: Connection, query: Select[Any], wanted: LogFilter) -> Iterator[StoredEvent]:
    for row in conn.execute(query):
        payload = msgspec.json.decode(row.payload)
        if wanted.fits(row.kind, payload):
            yield StoredEvent(row.seq, row.created_at, row.kind, payload)
