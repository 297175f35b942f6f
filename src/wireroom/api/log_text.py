"""A run's log as a text file, read and sent piece by piece.

+00:00:03.250  tool_call    write_file: a.txt
+00:00:03.301  tool_result  12 characters written
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.responses import StreamingResponse

from wireroom.runs.events import StoredEvent
from wireroom.runs.log_search import MOST_LOOKED_AT, LogFilter, read_matching, words_of
from wireroom.runs.queries import RunView
from wireroom.store.database import Database

PIECE = 500
"""Events that are in memory at a time."""
_KIND_CHARS = 11
_STEP_MARKS = {"done": "[x]", "active": "[>]", "pending": "[ ]"}


class LogText(StreamingResponse):
    """Sends the log of one run, as far as it goes when it is asked for."""

    def __init__(self, db: Database, run: RunView, wanted: LogFilter) -> None:
        """Send what fits of this run's log."""
        headers = {
            "Content-Disposition": f"attachment; filename*=utf-8''{quote(run.id, safe='')}.log",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        }
        super().__init__(
            _pieces(db, run, wanted), HTTPStatus.OK, headers, media_type="text/plain; charset=utf-8"
        )


def line_of(event: StoredEvent, since_ms: int) -> str:
    """Return one event as lines of text; those after the first are indented. Pure."""
    said = _said(event).rstrip("\n").replace("\r", "")
    head = f"{_offset(event.at_ms - since_ms)}  {event.kind:<{_KIND_CHARS}}  "
    return head + said.replace("\n", "\n" + " " * len(head)) + "\n"


async def _pieces(db: Database, run: RunView, wanted: LogFilter) -> AsyncGenerator[bytes, None]:
    since_ms, after = run.started_at or run.queued_at, 0

    def read(conn: Connection) -> tuple[bytes, int]:
        found = read_matching(conn, run.id, wanted, after=after, limit=PIECE, last=run.event_count)
        text = "".join(line_of(event, since_ms) for event in found)
        # With fewer than were asked for, all that one look goes through has been looked at.
        looked_to = found[-1].seq if len(found) == PIECE else min(after + MOST_LOOKED_AT, run.event_count)
        return text.encode(errors="replace"), looked_to

    while after < run.event_count:
        text, after = await db.read(read)
        if text:
            yield text


def _offset(ms: int) -> str:
    sign, ms = ("-" if ms < 0 else "+"), abs(ms)
    seconds, rest = divmod(ms, 1000)
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def _said(event: StoredEvent) -> str:
    payload: Mapping[str, Any] = event.payload
    match event.kind:
        case "text" | "thought" | "notice":
            return str(payload.get("text", ""))
        case "tool_call":
            return str(payload.get("summary", ""))
        case "tool_result":
            return f"{'' if payload.get('ok') else 'failed: '}{payload.get('summary', '')}"
        case "plan":
            steps = payload.get("steps") or ()
            return "\n".join(f"{_STEP_MARKS.get(step['state'], '[ ]')} {step['text']}" for step in steps)
        case "usage":
            return ", ".join(f"{name} {value}" for name, value in payload.items() if value is not None)
        case _:
            return words_of(dict(payload)).replace("\n", ": ")
