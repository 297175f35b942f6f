"""What a subscriber of a conversation is sent: one look at the rows from a cursor, as whole messages.

    {"type": "conversation.updated", "reason": "message_added", "conversationId": "…", "conversation": {…}}
    {"type": "run.state", "conversationId": "…", "runId": "…", "requestId": "…", "seq": 0, "state": "queued",
     "reason": null, "cursor": "…"}
    {"type": "run.event", "conversationId": "…", "runId": "…", "seq": 3, "at": "…", "kind": "text",
     "payload": {"text": "Hi"}, "cursor": "…"}

A subscriber that comes back with `?after=` the last cursor gets every line after it, none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, func, select, text

from wireroom.api.agent_conversations import UNKNOWN as UNKNOWN_AGENT
from wireroom.api.agent_conversations import agent_topic, read_agent_body
from wireroom.api.bodies import iso
from wireroom.api.chat_cursor import OVERLAP_MS, Cursor, Standing, first_cursor, settle
from wireroom.api.conversation_bodies import conversation_body
from wireroom.api.conversations import UNKNOWN
from wireroom.backends.protocol import EventKind
from wireroom.conversations.transcript import Face, read_face, read_transcript
from wireroom.runs.events import StoredEvent, read_events
from wireroom.runs.states import RunState
from wireroom.store.schema import runs

MOST_EVENTS = 100
"""In one look."""
MOST_MESSAGES = 200
"""Of a conversation, in a message that carries it."""
MOST_CHARS = 500_000
"""Of those, together."""

# Spelt out as in the partial index: SQLite cannot match bound values to it.
_UNFINISHED = text("runs.state IN ('queued', 'running')")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the rows brought."""

    messages: Sequence[dict[str, Any]]
    more: bool = False
    """There is more to read at once."""


class Reader(Protocol):
    """One subscriber's progress."""

    topic: str
    """Of the feed, which tells when to look again."""

    def look(self, conn: Connection) -> Look:
        """Return what follows, and move on."""
        ...


@dataclass(frozen=True, slots=True)
class _Run:
    request_id: str
    state: str
    standing: Standing


class ConversationReader:
    """Reads a conversation with the logs of its runs."""

    def __init__(self, topic: str, conversation_id: str, cursor: Cursor | None) -> None:
        """Begin at the cursor; without one, at the open runs' beginnings."""
        self.topic = topic
        self._id = conversation_id
        self._cursor = cursor
        self._face: Face | None = None
        self._is_missed = False

    def look(self, conn: Connection) -> Look:
        """Return what follows, and move on; see `Reader`."""
        face = read_face(conn, self._id)
        if face is None:
            return self._miss()
        messages = self._news_of(conn, face)
        if self._cursor is None:
            self._cursor = first_cursor([one.standing for one in self._watched(conn, _start(conn, self._id))])
        lines = self._lines(conn, self._cursor)
        return Look([*messages, *lines], more=len(lines) >= MOST_EVENTS)

    def _miss(self) -> Look:
        """Say once that there is no such conversation; it may begin later."""
        if self._is_missed:
            return Look([])
        self._is_missed = True
        return Look([{"type": "error", "error": UNKNOWN, "conversationId": self._id}])

    def _news_of(self, conn: Connection, face: Face) -> list[dict[str, Any]]:
        """Return the conversation if it has changed; a run's log grows far more often than that."""
        if face == self._face:
            return []
        found = read_transcript(conn, self._id, limit=MOST_MESSAGES, most_chars=MOST_CHARS)
        before, self._face = self._face, face
        if found is None:
            return []
        if before is None:
            told = {"type": "conversation.created" if self._is_missed else "conversation.snapshot"}
        else:
            is_summarised = face.summary_upto != before.summary_upto
            reason = "summarized" if is_summarised else "message_added"
            told = {"type": "conversation.updated", "reason": reason}
        return [{**told, "conversationId": self._id, "conversation": conversation_body(found)}]

    def _watched(self, conn: Connection, since_ms: int) -> Sequence[_Run]:
        query = (
            select(runs.c.id, runs.c.request_id, runs.c.queued_at, runs.c.event_count, runs.c.state)
            .where(runs.c.conversation_id == self._id, runs.c.queued_at >= since_ms)
            .order_by(runs.c.queued_at, runs.c.id)
        )
        return [
            _Run(
                row.request_id,
                row.state,
                Standing(row.id, row.queued_at, row.event_count, RunState(row.state).is_final),
            )
            for row in conn.execute(query)
        ]

    def _lines(self, conn: Connection, cursor: Cursor) -> list[dict[str, Any]]:
        watched = self._watched(conn, cursor.since_ms)
        sent = dict(cursor.sent)
        lines: list[dict[str, Any]] = []
        for run in watched:
            run_id = run.standing.run_id
            if run_id not in sent and len(lines) < MOST_EVENTS:
                sent[run_id] = 0
                lines.append(self._queued(run, Cursor(cursor.since_ms, sent)))
            if not run.standing.event_count > sent.get(run_id, 0) or len(lines) >= MOST_EVENTS:
                continue
            room = MOST_EVENTS - len(lines)
            for event in read_events(conn, run_id, after=sent[run_id], limit=room):
                sent[run_id] = event.seq
                lines.append(self._line(run, event, Cursor(cursor.since_ms, sent)))
        self._cursor = settle([run.standing for run in watched], sent) if watched else cursor
        return lines

    def _queued(self, run: _Run, cursor: Cursor) -> dict[str, Any]:
        """Tell that a request is stored; its log has no line for that."""
        state = {"seq": 0, "at": iso(run.standing.queued_at), "state": "queued", "reason": None}
        return self._of(run, "run.state", cursor) | state

    def _line(self, run: _Run, event: StoredEvent, cursor: Cursor) -> dict[str, Any]:
        place = {"seq": event.seq, "at": iso(event.at_ms)}
        if event.kind == EventKind.STATE.value:
            state = {"state": event.payload["state"], "reason": event.payload.get("reason")}
            return self._of(run, "run.state", cursor) | place | state
        told = {"kind": event.kind, "payload": event.payload}
        return self._of(run, "run.event", cursor) | place | told

    def _of(self, run: _Run, kind: str, cursor: Cursor) -> dict[str, Any]:
        return {
            "type": kind,
            "conversationId": self._id,
            "runId": run.standing.run_id,
            "requestId": run.request_id,
            "cursor": str(cursor),
        }


class AgentConversationReader:
    """Reads an agent conversation, which has no runs."""

    def __init__(self, conversation_id: str) -> None:
        """Begin."""
        self.topic = agent_topic(conversation_id)
        self._id = conversation_id
        self._sent: object = None
        self._is_missed = False

    def look(self, conn: Connection) -> Look:
        """Return the conversation if it has changed; see `Reader`."""
        body = read_agent_body(conn, self._id)
        if body is None:
            messages = [{"type": "error", "error": UNKNOWN_AGENT, "conversationId": self._id}]
            missed, self._is_missed = self._is_missed, True
            return Look([] if missed else messages)
        face = (body["messageCount"], body["status"])
        if face == self._sent:
            return Look([])
        told: dict[str, Any] = {"type": "agent_conversation.snapshot"}
        if self._sent is not None:
            told = {"type": "agent_conversation.updated", "reason": "message_added"}
        elif self._is_missed:
            told = {"type": "agent_conversation.created"}
        self._sent = face
        return Look([told | {"conversationId": self._id, "conversation": body}])


def _start(conn: Connection, conversation_id: str) -> int:
    """Return the time from which a new subscriber must watch: before the open runs and the newest one."""
    newest = select(func.max(runs.c.queued_at)).where(runs.c.conversation_id == conversation_id)
    oldest_open = select(func.min(runs.c.queued_at)).where(
        runs.c.conversation_id == conversation_id, _UNFINISHED
    )
    times = [conn.execute(query).scalar_one() for query in (newest, oldest_open)]
    known = [time for time in times if time is not None]
    return max(0, min(known) - OVERLAP_MS) if known else 0
