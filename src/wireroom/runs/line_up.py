"""Shows those who wait where they stand, for as long as the run before them works.

A place is shown by the run at work alone, and no edit is on its way when that ends: so none can land on top
of what the next one shows. What a placeholder says is kept in its row, and any process may go on from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from wireroom.clock import came_within
from wireroom.delivery.progress import Progress, ProgressLine
from wireroom.errors import StoreUnavailable
from wireroom.runs.options import read_options
from wireroom.runs.states import RunState
from wireroom.runs.waiting_words import WORKING, Waiting, is_waiting, place_texts
from wireroom.store.database import Database
from wireroom.store.statement import Statement

_LOOK_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_log = structlog.get_logger(__name__)

_LINE = Statement("""
    SELECT runs.id, runs.state, runs.options, runs.joined_run_id, deliveries.id, deliveries.opening,
        (SELECT count(*) FROM runs AS joined WHERE joined.joined_run_id = runs.id AND joined.state = 'joined')
    FROM runs LEFT JOIN deliveries ON deliveries.run_id = runs.id AND deliveries.body IS NULL
    WHERE runs.lane = (SELECT lane FROM runs AS own WHERE own.id = :run_id)
        AND runs.state IN ('queued', 'running')
    ORDER BY runs.queued_at LIMIT 25
""")
"""The first of those in line, with what their placeholders say."""

_NOTE = Statement("UPDATE deliveries SET opening = :opening WHERE id = :delivery_id AND body IS NULL")
"""Note what a placeholder says by now."""

Reword = Callable[[str, str], Awaitable[bool]]
"""Shows a text in the placeholder of a run, if the chat's pace allows it now; True when that is done with."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One run in line, and its placeholder."""

    waiting: Waiting
    state: RunState
    delivery_id: int | None
    opening: str | None
    """What its placeholder says; None where it has none."""


class LineUp:
    """The port `delivery.progress.Progress`, which shows also how the line behind a run moves up."""

    def __init__(self, progress: Progress, db: Database, reword: Reword) -> None:
        """Show progress by another; `reword` changes the placeholder of a run that waits."""
        self._progress = progress
        self._db = db
        self._reword = reword

    def open(self, run_id: str) -> ProgressLine:
        """Begin to show the run's progress, and the places of those behind it."""
        return _Line(self._progress.open(run_id), self, run_id)

    async def look(self, run_id: str, line: ProgressLine | None) -> None:
        """Bring one placeholder behind the run up to date; the run's own says that it works."""
        standings = await self._db.read(lambda conn: _read(conn, run_id))
        own = next((one for one in standings if one.waiting.run_id == run_id), None)
        if line is not None and own is not None and is_waiting(own.opening or ""):
            line.show(WORKING)
        behind = [one for one in standings if one.state is RunState.QUEUED]
        texts = place_texts([one.waiting for one in behind])
        for one in behind:
            text = texts.get(one.waiting.run_id)
            if one.delivery_id is not None and text is not None and text != one.opening:
                await self._change(one.waiting.run_id, one.delivery_id, text)
                return

    async def _change(self, run_id: str, delivery_id: int, text: str) -> None:
        if await self._reword(run_id, text):
            await self._db.write(lambda conn: _NOTE.run(conn, delivery_id=delivery_id, opening=text))


class _Line:
    """One run's line of progress, with a task that looks at those behind it."""

    def __init__(self, line: ProgressLine, line_up: LineUp, run_id: str) -> None:
        self._line = line
        self._line_up = line_up
        self._run_id = run_id
        self._has_shown = False
        self._closed = asyncio.Event()
        self._task = asyncio.create_task(self._watch(), name=f"line behind {run_id}")

    def show(self, text: str) -> None:
        """Show the run's own progress."""
        self._has_shown = True
        self._line.show(text)

    async def close(self) -> None:
        """Stop both, after the edit under way."""
        self._closed.set()
        await asyncio.wait([self._task], timeout=_CLOSE_SECONDS)
        self._task.cancel()
        await self._line.close()

    async def _watch(self) -> None:
        while not await came_within(_LOOK_SECONDS, self._closed.wait()):
            try:
                await self._line_up.look(self._run_id, None if self._has_shown else self._line)
            except StoreUnavailable as error:
                _log.debug("line_not_shown", run_id=self._run_id, reason=str(error))
            self._has_shown = True


def _read(conn: Connection, run_id: str) -> Sequence[Standing]:
    # Ids sort by time, and those of one millisecond the same way at each look.
    rows = sorted(_LINE.rows(conn, run_id=run_id), key=lambda row: row[0])
    return [
        Standing(
            Waiting(own, read_options(options), joined, is_told=offered_to == run_id),
            RunState(state),
            delivery_id,
            opening,
        )
        for own, state, options, offered_to, delivery_id, opening, joined in rows
    ]
