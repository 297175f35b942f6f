"""Speaks the answers of requests that were spoken: the handler of jobs of kind `speak`.

The text goes out as ever; the sound is a message of its own beside it, made and sent later. Whatever goes
wrong here costs the sound and nothing else, so the handler never fails its job: the log says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import send_notice
from wireroom.delivery.outgoing import store_parts
from wireroom.delivery.parts import VoicePart
from wireroom.delivery.queries import recipient_of_run
from wireroom.delivery.spoken import spoken_text
from wireroom.errors import SpeechError
from wireroom.jobs.port import Done, Job, Jobs, Outcome
from wireroom.perf.metrics import SPEECH_SECONDS
from wireroom.speech.errors import SpeechUnavailable
from wireroom.speech.limits import wait_before_retry
from wireroom.speech.port import Spoken, Voice
from wireroom.speech.shelf import Shelf
from wireroom.speech.sound import read_opus
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently
from wireroom.store.statement import Statement

QUEUE = "speech"
KIND = "speak"

_MOST_STARTS = 3
_log = structlog.get_logger(__name__)

_ANSWER = Statement("SELECT output FROM runs WHERE id = :run_id AND state = 'succeeded'")
"""What a run has to say."""


@dataclass(frozen=True, slots=True)
class SpeakingPolicy:
    """How much is spoken, and how long that may take."""

    characters: int
    seconds: float


class Speaker:
    """Turns answers into voice messages."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        voice: Voice | None,
        shelf: Shelf,
        policy: SpeakingPolicy,
        is_wanted: Callable[[], Awaitable[bool]],
        draw: Callable[[], float],
    ) -> None:
        """Keep the neighbours.

        Args:
            db: Where runs and deliveries are.
            jobs: Where the delivery is queued.
            clock: For its time.
            voice: Who speaks; None: nobody.
            shelf: Sound that was made before.
            policy: How much and how long.
            is_wanted: Tells whether the switch `allow_audio_output` is on.
            draw: Random numbers in [0, 1), for the jitter of retries.
        """
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._voice = voice
        self._shelf = shelf
        self._policy = policy
        self._is_wanted = is_wanted
        self._draw = draw

    async def handle(self, job: Job) -> Outcome:
        """Speak the answer of the run that the job points at; see `jobs.port.Handler`."""
        voice = self._voice
        # A start that ended the process again and again is not worth another.
        if voice is None or job.attempt > _MOST_STARTS or not await self._is_wanted():
            return Done()
        output = await self._db.read(lambda conn: _ANSWER.value(conn, run_id=job.ref))
        text = await asyncio.to_thread(spoken_text, output or "", self._policy.characters)
        if text is None:
            return Done()
        try:
            spoken = await self._said(voice, text)
        except SpeechError as error:
            _log.warning("answer_not_spoken", run_id=job.ref, reason=str(error))
            return Done()
        part = VoicePart(spoken.content, spoken.form, _seconds(spoken))
        await write_patiently(
            self._db, lambda conn: self._unit(conn, job, text, part), what=f"voice {job.ref}"
        )
        return Done()

    async def _said(self, voice: Voice, text: str) -> Spoken:
        kept = await asyncio.to_thread(self._shelf.find_spoken, text, voice.name)
        if kept is not None:
            return kept
        began = asyncio.get_running_loop().time()
        spoken = await self._patiently(voice, text, began + self._policy.seconds)
        await asyncio.to_thread(self._shelf.keep_spoken, text, voice.name, spoken)
        SPEECH_SECONDS.labels("say").observe(asyncio.get_running_loop().time() - began)
        return spoken

    async def _patiently(self, voice: Voice, text: str, end: float) -> Spoken:
        loop = asyncio.get_running_loop()
        tries = 0
        while True:
            tries += 1
            try:
                return await voice.say(text, seconds=max(0.1, end - loop.time()))
            except SpeechUnavailable as error:
                left = end - loop.time()
                wait = wait_before_retry(error, tries, left_seconds=left, jitter=self._draw() * 0.25)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    def _unit(self, conn: Connection, job: Job, text: str, part: VoicePart) -> None:
        """Store the message and end the job together, so that there is one however often this is begun."""
        to = recipient_of_run(conn, job.ref)
        if to is not None:
            now_ms = to_ms(self._clock.now())
            delivery_id = send_notice(conn, self._jobs, to, text, now_ms=now_ms)
            store_parts(conn, delivery_id, [part], now_ms)
        self._jobs.finish(conn, job)


def _seconds(spoken: Spoken) -> int | None:
    found = read_opus(spoken.content)
    return None if found is None else max(1, round(found.seconds))
