"""Brings files of a chat into the inbox: asks Telegram, streams to the disk, looks at what came.

A file has the same folder at every try, and its name appears there only when it is complete and was looked
at, so what a crash left is either found and used, or brought again. All that in bounded time. It knows of no
run and no message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from wireroom.errors import FileRefused
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
from wireroom.workspaces.file_kinds import HEAD_BYTES
from wireroom.workspaces.given import (
    ChatFile,
    FileLimits,
    folder_of,
    refusal,
    refusal_of_content,
    too_large,
)
from wireroom.workspaces.inbox import GivenFile, Inbox

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_AT_ONCE = 4
"""Downloads side by side in a process."""
_log = structlog.get_logger(__name__)


class Fetcher:
    """Brings files, a few at once."""

    def __init__(
        self, *, client: TelegramClient, inbox: Inbox, limits: FileLimits, draw: Callable[[], float]
    ) -> None:
        """Keep the neighbours; `draw` gives random numbers in [0, 1) for the jitter of retries."""
        self._client = client
        self._inbox = inbox
        self._limits = limits
        self._draw = draw
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def bring(self, run_id: str, file: ChatFile) -> GivenFile:
        """Return the file, in the inbox; at once when it is there already.

        Raises:
            FileRefused: it is too large, of a kind that is not taken, gone, or did not come in time; the
                message is for people.
        """
        folder = file.folder or folder_of(run_id, file)
        if (kept := await asyncio.to_thread(self._inbox.kept, folder)) is not None:
            return kept
        if (problem := refusal(file, self._limits)) is not None:
            raise FileRefused(problem)
        patience = self._limits.patience_seconds
        try:
            async with asyncio.timeout(patience):
                return await self._patiently(folder, file)
        except TimeoutError:
            raise FileRefused(f"{file.name} did not come within {patience:.0f} seconds.") from None

    async def _patiently(self, folder: str, file: ChatFile) -> GivenFile:
        tries = 0
        while True:
            tries += 1
            try:
                async with self._slots:
                    return await self._inbox.fill(folder, file.name, lambda path: self._fetch(file, path))
            except FloodWait as error:
                wait = error.retry_after_seconds
                _log.warning("file_not_fetched", tries=tries, reason=str(error))
            except (TelegramUnavailable, Uncertain, Unauthorized) as error:
                wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 16))
                wait *= 1 + self._draw() * 0.25
                _log.warning("file_not_fetched", tries=tries, reason=str(error))
            except BotAPIError as error:
                raise FileRefused(_meaning(error, file, self._limits)) from error
            await asyncio.sleep(wait)

    async def _fetch(self, file: ChatFile, path: Path) -> None:
        """Have the whole file at the path, or nothing."""
        found = await self._client.call(GetFile(file_id=file.file_id))
        if found.file_path is None:
            raise FileRefused(f"Telegram does not give {file.name} out any more.")
        size = await self._client.download(found.file_path, path, max_bytes=self._limits.most_bytes)
        if found.file_size not in {None, size}:
            raise TelegramUnavailable("download", f"gave {size} bytes instead of {found.file_size}")
        head = await asyncio.to_thread(_head, path)
        if (problem := refusal_of_content(file, head, self._limits)) is not None:
            raise FileRefused(problem)


def _meaning(error: BotAPIError, file: ChatFile, limits: FileLimits) -> str:
    if isinstance(error, TooLong) or (isinstance(error, Rejected) and "too big" in error.description):
        return too_large(file, limits)
    return f"Telegram does not give {file.name} out ({error.description})."


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
