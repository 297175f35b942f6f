"""What the page's live stream sends: one look at a lane's rows from a cursor, as one message.

A message carries the new lines of the logs and the runs that changed, and its id is the cursor after it. A
reader that got the message has all of it, one that did not has nothing of it: so resuming neither loses nor
doubles a line. Runs are sent as they are now, which a reader may be told twice; lines are sent once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.api.bodies import iso
from wireroom.api.chat_bodies import ChatEventBody, ChatNewsBody
from wireroom.api.chat_cursor import Cursor, settle
from wireroom.api.chat_view import ChatRow, Watched, chat_runs, places, rows_of, watched_runs
from wireroom.api.sse import Batch, message
from wireroom.conversations.summaries import current_summary
from wireroom.runs.events import StoredEvent, read_events
from wireroom.store.database import Database

MOST_EVENTS = 100
"""In one message."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One consistent reading of the lane."""

    conversation_id: str | None
    watched: Sequence[Watched]
    changed: Sequence[ChatRow]
    ahead: Mapping[str, int]
    events: list[ChatEventBody]
    sent: Mapping[str, int]


class LaneReader:
    """One connection's progress through a lane."""

    def __init__(self, db: Database, lane: str, cursor: Cursor) -> None:
        """Begin at the cursor."""
        self._db = db
        self._lane = lane
        self._cursor = cursor
        self._faces: dict[str, tuple[str, bool, int]] = {}
        self._conversation_id: str | None = None
        self._greeted = False

    async def look(self) -> Batch:
        """Return what follows, at most one message, and move on."""
        look = await self._db.read(self._read)
        is_news = look.events or look.changed or look.conversation_id != self._conversation_id
        if self._greeted and not is_news:
            return Batch([])
        body = ChatNewsBody(
            conversation_id=look.conversation_id,
            runs=await chat_runs(look.changed, look.ahead),
            events=look.events,
        )
        self._move_to(look)
        more = len(look.events) == MOST_EVENTS
        return Batch([message(body.model_dump_json(), event_id=self._cursor, event="news")], more=more)

    def _move_to(self, look: _Look) -> None:
        self._greeted = True
        self._conversation_id = look.conversation_id
        self._cursor = settle([watched.standing for watched in look.watched], look.sent)
        self._faces = {watched.standing.run_id: watched.face for watched in look.watched}

    def _read(self, conn: Connection) -> _Look:
        ahead = places(conn, self._lane)
        watched = watched_runs(conn, self._lane, self._cursor.since_ms, ahead)
        events, sent = self._read_events(conn, watched)
        current = current_summary(conn, self._lane)
        return _Look(
            conversation_id=current.id if current else None,
            watched=watched,
            changed=rows_of(conn, [one.standing.run_id for one in watched if self._is_changed(one)]),
            ahead=ahead,
            events=events,
            sent=sent,
        )

    def _is_changed(self, watched: Watched) -> bool:
        run_id = watched.standing.run_id
        if run_id not in self._faces:
            return not self._cursor.is_settled(watched.standing)
        return self._faces[run_id] != watched.face

    def _read_events(
        self, conn: Connection, watched: Sequence[Watched]
    ) -> tuple[list[ChatEventBody], Mapping[str, int]]:
        """Return the lines that the reader lacks, up to the bound, and what it has with them."""
        sent = dict(self._cursor.sent)
        found: list[ChatEventBody] = []
        for run in (one.standing for one in watched):
            after = sent.get(run.run_id, 0)
            room = MOST_EVENTS - len(found)
            if room and after < run.event_count:
                lines = read_events(conn, run.run_id, after=after, limit=room)
                found += [_line(run.run_id, event) for event in lines]
                after = lines[-1].seq if lines else after
            if after or run.is_final:
                sent[run.run_id] = after
        return found, sent


def _line(run_id: str, event: StoredEvent) -> ChatEventBody:
    return ChatEventBody(
        run_id=run_id, seq=event.seq, at=iso(event.at_ms), kind=event.kind, payload=event.payload
    )
