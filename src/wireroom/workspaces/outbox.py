"""Files that an agent leaves for people: taken out of its conversation's folder when a run ends, each once.

A file is moved, within the data folder, to a place of the run's own, where it is sent from: so no later run
finds it again. What a crash moved without anybody noting it is found there by the run's next attempt. Links
are not followed and not sent: what an agent may not show by leaving it, it may not show by pointing at it.
Blocking: call it in a thread.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wireroom.workspaces.file_kinds import HEAD_BYTES, image_type
from wireroom.workspaces.inbox import KEPT, safe_name

FOLDER = "outbox"
SENDING = "sending"
MOST_FILES = 10
"""Files that come back after one answer; the others stay for the next."""
PHOTO_BYTES = 10 * 1024 * 1024
"""Source: Telegram Bot API, sendPhoto."""
DOCUMENT_BYTES = 50 * 1024 * 1024
"""Source: Telegram Bot API, sendDocument."""
_DEEPEST = 3
_PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_NOTE = """\
Files for the person: put them into {folder}. What lies there when you have answered is sent to them, and \
removed from there. Files that they sent you are named in their message; copy what you want to keep."""


class LeftFile(msgspec.Struct, frozen=True):
    """A file that waits to be sent."""

    path: str
    digest: str
    """SHA-256, hex."""
    name: str
    size: int
    """Bytes."""
    image_type: str | None = None
    """`image/png` for one that can be shown as a photo; None for any other."""


@dataclass(frozen=True, slots=True)
class Left:
    """What an agent left."""

    files: tuple[LeftFile, ...] = ()
    """By name."""
    problems: tuple[str, ...] = ()
    """What was not taken and why, for people."""


class Outbox:
    """The folders of files that agents leave."""

    def __init__(self, data_dir: Path) -> None:
        """Keep them in the data folder."""
        self._root = data_dir.resolve() / FOLDER
        self._sending = data_dir.resolve() / SENDING

    def folder(self, conversation_id: str) -> Path:
        """Return the folder of a conversation, made if it is missing; the same for all its runs."""
        path = self._root / _plain(conversation_id)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def take(self, conversation_id: str, run_id: str) -> Left:
        """Move what lies in the conversation's folder to the run's place; return all that lies there.

        Raises:
            OSError: the disk does not take it; what was moved is found by the next call.
        """
        spool = self._sending / _plain(run_id)
        problems = []
        room = MOST_FILES - len(list(_files(spool)))
        for path in sorted(_files(self.folder(conversation_id))):
            if (problem := _problem(path)) is not None:
                problems.append(problem)
            elif path.stat().st_size > DOCUMENT_BYTES:
                there = _move(path, self._root, self._sending / f"{_plain(run_id)}.large")
                problems.append(
                    f"{path.name} is larger than the 50 MB that bots may send; it lies at {there}."
                )
            elif room > 0:
                room -= 1
                _move(path, self._root, spool)
            else:
                problems.append(f"{path.name} waits: {MOST_FILES} files come back after one answer.")
        return Left(tuple(_left(path) for path in sorted(_files(spool))), tuple(problems))

    def sweep(self, now_seconds: float) -> int:
        """Remove what was left longer ago than files are kept; return how many runs had some."""
        before = now_seconds - KEPT.total_seconds()
        places = list(self._sending.iterdir()) if self._sending.is_dir() else []
        old = [place for place in places if place.stat().st_mtime < before]
        for place in old:
            shutil.rmtree(place, ignore_errors=True)
        return len(old)


def note(folder: Path) -> str:
    """Return what an agent is told of the folder. Pure."""
    return _NOTE.format(folder=folder)


def _problem(path: Path) -> str | None:
    """Return why it is no file to send; it is removed, so that it is told of once."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        path.unlink(missing_ok=True)
        return f"{path.name} is a link or no file."
    if found.st_size == 0:
        path.unlink(missing_ok=True)
        return f"{path.name} is empty."
    return None


def _move(path: Path, root: Path, spool: Path) -> Path:
    """Move the file and return where it is; of one name within the outbox there is one, the newest."""
    place = spool / hashlib.sha256(os.fsencode(path.relative_to(root))).hexdigest()[:16]
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path.replace(place / safe_name(path.name))


def _left(path: Path) -> LeftFile:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    kind = image_type(head) if size <= PHOTO_BYTES else None
    return LeftFile(str(path), digest, path.name, size, kind)


def _files(folder: Path, levels: int = _DEEPEST) -> Iterator[Path]:
    """Yield what lies in the folder and below and is no folder; folders behind links are not entered."""
    if not folder.is_dir() or folder.is_symlink():
        return
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            if levels > 1:
                yield from _files(Path(entry.path), levels - 1)
        else:
            yield Path(entry.path)


def _plain(some_id: str) -> str:
    """Return the id, or what stands for one that cannot name a folder."""
    return some_id if _PLAIN_ID.fullmatch(some_id) else hashlib.sha256(some_id.encode()).hexdigest()[:32]
