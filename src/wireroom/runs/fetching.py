"""Requests that came with files: these are fetched in the run's own turn, before its attempt begins.

The run stands in its lane's line from the start, so order, `/queue` and `/stop` are those of any request. An
album's further pieces are waited for, shortly. Then the files are brought, each into a folder of its own that
is the same for every try, and the prompt is completed in one commit, once, while the run has not begun and
nothing has joined it meanwhile; so a crash anywhere before is a repetition that nobody sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.errors import FileRefused
from wireroom.runs.feed import Feed, run_topic
from wireroom.runs.options import encode, read_options
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.database import Database
from wireroom.store.patience import read_patiently, write_patiently
from wireroom.store.statement import Row, Statement
from wireroom.workspaces.given import ChatFile, GivenFiles, prompt_with
from wireroom.workspaces.inbox import GivenFile

_LONGEST_WAIT_SECONDS = 10.0
"""For one further piece of an album, whatever a clock says."""
_log = structlog.get_logger(__name__)

_OPTIONS = Statement("SELECT options, state, epoch FROM runs WHERE id = :run_id")
"""What a run was given, and whether it has begun."""

_KNOWN = Statement("SELECT id FROM runs WHERE request_id = :request_id")
"""The run of a request."""

_CHANGE = Statement("""
    UPDATE runs SET prompt = :prompt, options = :options
    WHERE id = :run_id AND state = 'queued' AND epoch = 0 AND options = :before
""")
"""Change what a run that has not begun was given, unless that has changed meanwhile."""

Bring = Callable[[str, ChatFile], Awaitable[GivenFile]]
"""Brings a file of a run into the inbox, in bounded time, or raises `FileRefused`."""


class Hands(Protocol):
    """What the executor asks before a request with files begins."""

    async def fetch(self, run_id: str) -> Verdict | None:
        """Have the run's files here and told in its prompt; return how the run ends when that cannot be."""
        ...


class Fetching:
    """The port `Hands`."""

    def __init__(self, *, db: Database, clock: Clock, feed: Feed, bring: Bring) -> None:
        """Keep the neighbours; see `workspaces.fetcher` for what brings files."""
        self._db = db
        self._clock = clock
        self._feed = feed
        self._bring = bring

    async def fetch(self, run_id: str) -> Verdict | None:
        """Bring the files and complete the prompt; see `Hands`.

        Files that were brought before are looked for: another machine's disk may have them.
        """
        while True:
            row = await read_patiently(
                self._db, lambda conn: _OPTIONS.row(conn, run_id=run_id), what=f"files of {run_id}"
            )
            given = None if row is None else read_options(row[0]).given
            if row is None or given is None:
                return None
            if not given.fetched and (wait := self._seconds_until(given)) > 0:
                await asyncio.sleep(wait)
                continue
            try:
                found = [await self._bring(run_id, file) for file in given.files]
            except FileRefused as error:
                return not_taken(error)
            if given.fetched or await self._store(run_id, row, given, found):
                return None

    def _seconds_until(self, given: GivenFiles) -> float:
        left_ms = given.due_ms - to_ms(self._clock.now())
        return min(_LONGEST_WAIT_SECONDS, left_ms / 1000) if given.due_ms else 0.0

    async def _store(self, run_id: str, row: Row, given: GivenFiles, found: list[GivenFile]) -> bool:
        """Complete the prompt; False when a piece has joined meanwhile, and there is more to bring."""
        files = tuple(
            structs.replace(file, folder=there.id) for file, there in zip(given.files, found, strict=True)
        )
        whole = structs.replace(given, files=files, fetched=True)
        prompt = prompt_with(whole, found)
        stored = await write_patiently(
            self._db, lambda conn: _set(conn, run_id, row[0], whole, prompt), what=f"files of {run_id}"
        )
        if not stored:
            return (row[1], row[2]) != (RunState.QUEUED, 0)
        self._feed.publish(run_topic(run_id))
        _log.info("files_fetched", run_id=run_id, count=len(found), size_bytes=sum(one.size for one in found))
        return True


def run_of_request(conn: Connection, request_id: str) -> str | None:
    """Return the run of a request, in whatever state; None when there is none."""
    run_id: str | None = _KNOWN.value(conn, request_id=request_id)
    return run_id


def change_waiting(conn: Connection, run_id: str, change: Callable[[GivenFiles], GivenFiles]) -> bool:
    """Change what a run is given whose files have not been fetched; False when they have, or it has begun."""
    while True:
        row = _OPTIONS.row(conn, run_id=run_id)
        given = None if row is None else read_options(row[0]).given
        if row is None or given is None or given.fetched or (row[1], row[2]) != (RunState.QUEUED, 0):
            return False
        new = change(given)
        if _set(conn, run_id, row[0], new, new.title):
            return True


def not_taken(error: FileRefused) -> Verdict:
    """Return how a run ends whose file is not taken. Pure."""
    return Verdict(RunState.FAILED, "", str(error), None, "file")


def _set(conn: Connection, run_id: str, before: str, given: GivenFiles, prompt: str) -> bool:
    options = structs.replace(read_options(before), given=given)
    changed = _CHANGE.run(conn, run_id=run_id, before=before, options=encode(options).decode(), prompt=prompt)
    return bool(changed)
