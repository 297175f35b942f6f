"""Files that people give with a message: kept in the data folder, told to the agent as paths.

Each file has a folder of its own, named by an id that nobody can guess, so equal names never meet and the
name that people see is the file's own. A message names ids only; no path ever comes from outside.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from wireroom.errors import BadInput

KEPT = timedelta(days=30)
"""Conversations may come back to a file; the agent has long copied what it wants to keep."""
FOLDER = "inbox"
HEADING = "Attached files:"
"""What stands before the paths in a message; the page shows them as files."""
_ID = re.compile(r"[0-9a-f]{32}")
_NAME_BYTES = 200
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]+")


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file that was given."""

    id: str
    path: Path
    size: int
    """Bytes."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name


class TooLarge(BadInput):
    """The file is larger than allowed; nothing of it was kept."""


class Inbox:
    """The folder of given files."""

    def __init__(self, data_dir: Path, *, max_bytes: int) -> None:
        """Keep files of at most `max_bytes` under the data folder."""
        self._root = data_dir.resolve() / FOLDER
        self.max_bytes = max_bytes

    async def keep(self, name: str, pieces: AsyncIterator[bytes]) -> GivenFile:
        """Store a file as it comes; it is on the disk, whole, when this returns.

        Raises:
            TooLarge: it has more than `max_bytes`.
            OSError: the disk does not take it. In either case, and when the sender leaves, nothing is kept.
        """
        folder = self._root / secrets.token_hex(16)
        path = folder / safe_name(name)
        await asyncio.to_thread(_make, folder)
        try:
            size = await self._write(path, pieces)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))
            raise
        return GivenFile(folder.name, path, size)

    def kept(self, folder_id: str) -> GivenFile | None:
        """Return the file that lies complete in the folder of this id, None without one."""
        path = next((one for one in _visible(self._root / folder_id)), None)
        return None if path is None else GivenFile(folder_id, path, path.stat().st_size)

    async def fill(self, folder_id: str, name: str, write: Callable[[Path], Awaitable[None]]) -> GivenFile:
        """Have `write` make a file in the folder of this id; it has its name there once it is whole.

        What a crash left unfinished there goes with the first try that succeeds.

        Raises:
            BadInput: it is no such id.
            OSError: the disk does not take it. Whatever `write` raises; nothing has the name then.
        """
        if not _ID.fullmatch(folder_id):
            raise BadInput(f"{folder_id!r} is no id of a folder.")
        folder = self._root / folder_id
        await asyncio.to_thread(_make, folder, again=True)
        # A name of its own: a worker that froze may come back while another is at the same file.
        unfinished, path = folder / f".{secrets.token_hex(8)}", folder / safe_name(name)
        try:
            await write(unfinished)
            await asyncio.to_thread(_give_name, unfinished, path)
        except BaseException:
            await asyncio.shield(asyncio.to_thread(_forget, unfinished))
            raise
        return GivenFile(folder_id, path, path.stat().st_size)

    def find(self, ids: Sequence[str]) -> list[GivenFile]:
        """Return the files of these ids, in their order.

        Raises:
            BadInput: one of them is not there (any more).
        """
        return [self._one(file_id) for file_id in ids]

    def sweep(self, now_seconds: float) -> int:
        """Remove what was given longer ago than `KEPT`; return how many."""
        before = now_seconds - KEPT.total_seconds()
        old = [folder for folder in _folders(self._root) if folder.stat().st_mtime < before]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)

    def _one(self, file_id: str) -> GivenFile:
        folder = self._root / file_id
        found = _visible(folder) if _ID.fullmatch(file_id) else []
        if not found:
            raise BadInput("One of the attached files is not there any more. Attach it again.")
        return GivenFile(file_id, found[0], found[0].stat().st_size)

    async def _write(self, path: Path, pieces: AsyncIterator[bytes]) -> int:
        size = 0
        with await asyncio.to_thread(path.open, "xb") as file:
            async for piece in pieces:
                size += len(piece)
                if size > self.max_bytes:
                    raise TooLarge(f"A file may have at most {self.max_bytes // 1024**2} MiB.")
                await asyncio.to_thread(file.write, piece)
            await asyncio.to_thread(_settle, file, path.parent)
        return size


def safe_name(name: str) -> str:
    """Return the name's last part without what no file name may hold; "file" when nothing is left. Pure."""
    last = _UNSAFE.sub("/", name).rstrip("/").rpartition("/")[2].strip().lstrip(".")
    cut = last.encode(errors="ignore")[-_NAME_BYTES:].decode(errors="ignore")
    return cut or "file"


def told(text: str, files: Iterable[GivenFile]) -> str:
    """Return the message as the agent is given it: what was said, then where the files are. Pure."""
    lines = [f"- {file.path} ({file.size} bytes)" for file in files]
    return "\n".join([text, "", HEADING, *lines]).strip() if lines else text


def _make(folder: Path, *, again: bool = False) -> None:
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=again)


def _give_name(unfinished: Path, path: Path) -> None:
    with unfinished.open("rb") as file:
        unfinished.replace(path)
        _settle(file, path.parent)
    for left in path.parent.glob(".*"):
        left.unlink(missing_ok=True)


def _forget(unfinished: Path) -> None:
    unfinished.unlink(missing_ok=True)
    with suppress(OSError):  # another try's file is there
        unfinished.parent.rmdir()


def _visible(folder: Path) -> list[Path]:
    """Return the whole files of a folder; no name that people see begins with a dot."""
    return [one for one in folder.iterdir() if not one.name.startswith(".")] if folder.is_dir() else []


def _settle(file: IO[bytes], folder: Path) -> None:
    """Have the file and its name survive a power cut: the message that tells of it will."""
    file.flush()
    os.fsync(file.fileno())
    for place in (folder, folder.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _folders(root: Path) -> list[Path]:
    return [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
