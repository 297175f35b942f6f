"""Requests that were spoken: heard as soon as they come, in their own queue, and before their run begins.

The run stands in its lane's line from the start, so order, `/queue` and `/stop` are those of any request.
The job of kind `hear` has the recording heard, on whichever process; when the run's turn is there it waits
for that, and has it heard itself if that job is gone. What was heard becomes the run's prompt in one commit,
once, and only while it has not begun; so a crash anywhere before is a repetition that nobody sees.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.errors import SpeechError
from wireroom.jobs.port import Done, Job, Jobs, Outcome
from wireroom.runs import endings
from wireroom.runs.feed import Feed, News, lane_topic, run_topic
from wireroom.runs.options import encode, read_options
from wireroom.runs.spoken_words import quoted, shortened
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.speech.limits import Recording
from wireroom.speech.port import Heard
from wireroom.store.database import Database, after_commit
from wireroom.store.patience import read_patiently, write_patiently
from wireroom.store.statement import Row, Statement

KIND = "hear"

_MOST_STARTS = 5
_LOOK_SECONDS = 0.5
_log = structlog.get_logger(__name__)

_UNHEARD = Statement("""
    SELECT options, lane, (SELECT count(*) FROM runs AS ahead
        WHERE ahead.lane = runs.lane AND ahead.state = 'running') AS busy
    FROM runs WHERE id = :run_id AND state = 'queued' AND epoch = 0
""")
"""What a run that has not begun waits for, and whether another of its lane is at work."""

_HEARD = Statement("""
    UPDATE runs SET prompt = :prompt, options = :options
    WHERE id = :run_id AND state = 'queued' AND epoch = 0
""")
"""Give a run that has not begun the words that were spoken."""

_OPENING = Statement("""
    UPDATE deliveries SET opening = :opening WHERE run_id = :run_id AND state = 'waiting' AND body IS NULL
""")
"""Have the placeholder, if it is still to be placed, say what was understood."""


class Ears(Protocol):
    """What the executor asks before a spoken request begins."""

    async def hear(self, run_id: str, recording: Recording) -> Verdict | None:
        """Make the run's prompt what was said; return how the run ends when that cannot be."""
        ...


Listen = Callable[[Recording], Awaitable[Heard]]
Show = Callable[[str, str], Awaitable[None]]


class Hearing:
    """The port `Ears`, and the handler of jobs of kind `hear`."""

    def __init__(
        self, *, db: Database, jobs: Jobs, clock: Clock, feed: Feed, listen: Listen, show: Show
    ) -> None:
        """Keep the neighbours.

        Args:
            db: Where runs are.
            jobs: Where the answers of runs that end here are queued.
            clock: For the time of such an end.
            feed: Told of new prompts.
            listen: Hears a recording, in bounded time; see `speech.listener`.
            show: Shows a text in the placeholder of a run that waits, in bounded time.
        """
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._feed = feed
        self._listen = listen
        self._show = show

    async def handle(self, job: Job) -> Outcome:
        """Hear what the run that the job points at waits for; see `jobs.port.Handler`.

        What ends the process each time is left to the run's own turn.
        """
        row = await self._db.read(lambda conn: _UNHEARD.row(conn, run_id=job.ref))
        recording = None if row is None else read_options(row[0]).recording
        if row is None or recording is None or recording.heard or job.attempt > _MOST_STARTS:
            return Done()
        try:
            heard = await self._listen(recording)
        except SpeechError as error:
            await self._end(job.ref, row[1], unheard(error))
            return Done()
        if row[2]:
            # Before it is stored: once it is, the run may begin, and its answer must be the last edit.
            await self._show(job.ref, f"{quoted(heard.text)}\n\n🕐 Queued")
        await self._store(job.ref, row[0], heard)
        return Done()

    async def hear(self, run_id: str, recording: Recording) -> Verdict | None:
        """Make the run's prompt what was said, unless its own job does; see `Ears`."""
        with self._feed.listen(run_topic(run_id)) as news:
            row = await self._left_to_us(run_id, news)
        if row is None:
            return None
        try:
            heard = await self._listen(recording)
        except SpeechError as error:
            return unheard(error)
        await self._store(run_id, row[0], heard)
        return None

    async def _left_to_us(self, run_id: str, news: News) -> Row | None:
        """Return the unheard run once no job of kind `hear` is there for it, None when it has been heard."""

        def look(conn: Connection) -> tuple[Row | None, bool]:
            row = _UNHEARD.row(conn, run_id=run_id)
            recording = None if row is None else read_options(row[0]).recording
            if recording is None or recording.heard:
                return None, False
            return row, self._jobs.is_pending(conn, kind=KIND, ref=run_id)

        while True:
            news.clear()
            row, has_job = await read_patiently(self._db, look, what=f"words of {run_id}")
            if not has_job:
                return row
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), _LOOK_SECONDS)

    async def _store(self, run_id: str, options: str, heard: Heard) -> None:
        await write_patiently(
            self._db, lambda conn: store_heard(conn, run_id, options, heard), what=f"words of {run_id}"
        )
        self._feed.publish(run_topic(run_id))
        _log.info("speech_heard", run_id=run_id, characters=len(heard.text), language=heard.language)

    async def _end(self, run_id: str, lane: str, verdict: Verdict) -> None:
        def unit(conn: Connection) -> None:
            if _UNHEARD.row(conn, run_id=run_id) is None:
                return
            now_ms = to_ms(self._clock.now())
            endings.end_without_agent(conn, self._jobs, run_id, verdict, now_ms, epoch=0)
            after_commit(conn, lambda: self._feed.publish(run_topic(run_id)))
            after_commit(conn, lambda: self._feed.publish(lane_topic(lane)))

        await write_patiently(self._db, unit, what=f"end of {run_id}")


def store_heard(conn: Connection, run_id: str, options: str, heard: Heard) -> None:
    """Make what was heard the prompt of a run that has not begun; the same twice is once.

    Args:
        conn: The unit's.
        run_id: The run.
        options: Its options as stored.
        heard: What was said; what was written beside the recording stays in front of it.
    """
    wishes = read_options(options)
    recording = wishes.recording
    if recording is None or recording.heard:
        return
    prompt = f"{recording.caption}\n\n{heard.text}" if recording.caption else heard.text
    known = structs.replace(wishes, recording=structs.replace(recording, heard=True))
    if _HEARD.run(conn, run_id=run_id, prompt=prompt, options=encode(known).decode()):
        _OPENING.run(conn, run_id=run_id, opening=f"🎙 {shortened(heard.text)}")


def unheard(error: SpeechError) -> Verdict:
    """Return how a run ends whose recording was not understood. Pure."""
    return Verdict(RunState.FAILED, "", f"I did not understand your voice message. {error}", None, "speech")
