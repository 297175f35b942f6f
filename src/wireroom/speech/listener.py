"""Listens to a recording of a chat: asks for the file, streams it to the disk, has it heard, in bounded time.

The same recording asked for twice at once is heard once. What may pass is tried again within the recording's
own patience; then, and for anything else, the error says why. It knows of no run and no message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from wireroom.errors import SpeechError
from wireroom.perf.metrics import SPEECH_SECONDS
from wireroom.speech.errors import SpeechRefused, SpeechUnavailable
from wireroom.speech.limits import Recording, SpeechLimits, too_much, wait_before_retry
from wireroom.speech.port import Ear, Heard
from wireroom.speech.shelf import Shelf
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import (
    BotAPIError,
    FloodWait,
    Rejected,
    TelegramUnavailable,
    TooLong,
    Unauthorized,
    Uncertain,
)
from wireroom.telegram.methods import GetFile

_log = structlog.get_logger(__name__)
_MEBIBYTE = 1024 * 1024


class Listener:
    """Hears recordings, a few at once."""

    def __init__(
        self,
        *,
        client: TelegramClient,
        ear: Ear | str,
        shelf: Shelf,
        limits: SpeechLimits,
        language: str,
        slots: int,
        draw: Callable[[], float],
    ) -> None:
        """Keep the neighbours.

        Args:
            client: Where recordings come from.
            ear: Who hears, or what to tell people when nobody does.
            shelf: Where recordings lie meanwhile, and transcripts for longer.
            limits: What is too much.
            language: A hint for the recogniser; may be empty.
            slots: Recordings at once.
            draw: Random numbers in [0, 1), for the jitter of retries.
        """
        self._client = client
        self._ear = ear
        self._shelf = shelf
        self._limits = limits
        self._language = language
        self._slots = asyncio.Semaphore(slots)
        self._draw = draw
        self._under_way: dict[str, asyncio.Task[Heard]] = {}

    def refusal(self, recording: Recording) -> str | None:
        """Return why this recording is not listened to, None when it is; nothing is asked or downloaded."""
        if isinstance(self._ear, str):
            return self._ear
        problem = too_much(recording, self._limits)
        return f"I did not listen to it: {problem}" if problem else None

    async def hear(self, recording: Recording) -> Heard:
        """Return what is said in the recording.

        Raises:
            SpeechError: by class, after all tries; the message is for people.
        """
        task = self._under_way.get(recording.unique_id)
        if task is None or task.done():
            task = asyncio.create_task(self._in_time(recording), name=f"hear {recording.unique_id}")
            self._under_way[recording.unique_id] = task
            task.add_done_callback(lambda done: self._forget(recording.unique_id, done))
        # Shielded: who waits may be stopped while another still waits for the same recording.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Stop what is under way; its waiters are cancelled."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel("the service stops")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, unique_id: str, task: asyncio.Task[Heard]) -> None:
        if self._under_way.get(unique_id) is task:
            del self._under_way[unique_id]
        if not task.cancelled():
            task.exception()  # seen: nobody may wait any more

    async def _in_time(self, recording: Recording) -> Heard:
        patience = self._limits.patience_seconds
        try:
            async with asyncio.timeout(patience):
                return await self._patiently(recording)
        except TimeoutError:
            raise SpeechUnavailable(f"I did not understand it within {patience:.0f} seconds.") from None

    async def _patiently(self, recording: Recording) -> Heard:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._limits.patience_seconds
        tries = 0
        while True:
            tries += 1
            try:
                async with self._slots:
                    return await self._once(recording, end - loop.time())
            except SpeechUnavailable as error:
                left = end - loop.time()
                wait = wait_before_retry(error, tries, left_seconds=left, jitter=self._draw() * 0.25)
                _log.warning("speech_not_heard", tries=tries, reason=str(error), again_in_seconds=wait)
                if wait is None:
                    raise
            await asyncio.sleep(wait)

    async def _once(self, recording: Recording, left_seconds: float) -> Heard:
        ear, language = self._ear, self._language
        if isinstance(ear, str):
            raise SpeechRefused(ear)
        key = (recording.unique_id, ear.name, language)
        kept = await asyncio.to_thread(self._shelf.find_heard, *key)
        if kept is not None:
            return kept
        began = asyncio.get_running_loop().time()
        with self._shelf.incoming() as path:
            await self._fetch(recording, path)
            heard = await ear.hear(path, recording.content_type, language, seconds=max(0.1, left_seconds))
        await asyncio.to_thread(self._shelf.keep_heard, *key, heard)
        SPEECH_SECONDS.labels("hear").observe(asyncio.get_running_loop().time() - began)
        return heard

    async def _fetch(self, recording: Recording, path: Path) -> None:
        try:
            file = await self._client.call(GetFile(file_id=recording.file_id))
            if file.file_path is None:
                raise SpeechRefused("Telegram does not give the recording out any more.")
            await self._client.download(file.file_path, path, max_bytes=self._limits.size)
        except BotAPIError as error:
            raise self._meaning(error) from error

    def _meaning(self, error: BotAPIError) -> SpeechError:
        size = self._limits.size // _MEBIBYTE
        match error:
            case TooLong():
                return SpeechRefused(f"The recording is larger than {size} MiB.")
            case Rejected() if "too big" in error.description:
                return SpeechRefused("The recording is larger than the 20 MB that Telegram gives to bots.")
            case FloodWait(retry_after_seconds=seconds):
                return SpeechUnavailable(str(error), retry_after_seconds=seconds)
            case TelegramUnavailable() | Uncertain() | Unauthorized():
                return SpeechUnavailable(f"Telegram did not give the recording out ({error}).")
            case _:
                return SpeechRefused(f"Telegram does not give the recording out ({error.description}).")
