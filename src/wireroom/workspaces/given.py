"""Files that came with a chat message: what is known of them, and which are not taken. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from msgspec import structs

from wireroom.workspaces.file_kinds import program_kind
from wireroom.workspaces.inbox import GivenFile, told

MEGABYTE = 1024 * 1024
TELEGRAM_BYTES = 20 * MEGABYTE
"""Largest file that Telegram's own servers give to bots. Source: Telegram Bot API, getFile."""
LOCAL_BYTES = 2000 * MEGABYTE
"""Largest file that a local Bot API server gives. Source: Telegram Bot API, Using a Local Bot API Server."""


class ChatFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that Telegram keeps: {"file_id": "Ag…", "unique_id": "AQ…", "name": "photo_5.jpg"}."""

    file_id: str
    unique_id: str
    """The same for the same content, whoever sends it and however often."""
    name: str
    size: int | None = None
    """Bytes."""
    message_id: int = 0
    """The message that carries it; files are told in this order."""
    folder: str = ""
    """Its folder in the inbox, once it lies there; see `workspaces.inbox`."""


class GivenFiles(msgspec.Struct, frozen=True, omit_defaults=True):
    """The files of a request, with the words beside them."""

    files: tuple[ChatFile, ...]
    caption: str = ""
    """What was written beside them, with what it answers."""
    due_ms: int = 0
    """Until when further pieces of the same album are waited for, ms since the epoch; 0: there are none."""
    fetched: bool = False
    """All of them lie in the inbox, and the run's prompt says where."""

    @property
    def title(self) -> str:
        """What stands for the request until its files are there."""
        if self.caption:
            return self.caption
        return f"📎 {self.files[0].name}" if len(self.files) == 1 else f"📎 {len(self.files)} files"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What is not taken, and how long is waited."""

    most_bytes: int = TELEGRAM_BYTES
    """Of one file."""
    refused: frozenset[str] = frozenset()
    """Suffixes and kinds of content, in small letters without a dot; see `file_kinds.program_kind`."""
    album: timedelta = timedelta(seconds=1.5)
    """How long is waited for a further piece of an album after the last one."""
    patience_seconds: float = 120.0
    """Until one file must be here, from its first try on."""


def refusal(file: ChatFile, limits: FileLimits) -> str | None:
    """Return what to tell the person whose file is not taken, None when it may be."""
    if file.size is not None and file.size > limits.most_bytes:
        return too_large(file, limits)
    suffix = file.name.rpartition(".")[2].lower() if "." in file.name else ""
    return refused_kind(file, suffix) if suffix in limits.refused else None


def refusal_of_content(file: ChatFile, head: bytes, limits: FileLimits) -> str | None:
    """Return why a file that begins so is not taken, whatever it is called; None when it may be."""
    kind = program_kind(head)
    return refused_kind(file, kind) if kind is not None and kind in limits.refused else None


def too_large(file: ChatFile, limits: FileLimits) -> str:
    """Return what to tell of a file that is larger than allowed."""
    whose = " that Telegram gives to bots" if limits.most_bytes == TELEGRAM_BYTES else ""
    most = limits.most_bytes // MEGABYTE
    return f"I did not take {file.name}: it is larger than the {most} MB{whose}. Please send a smaller one."


def refused_kind(file: ChatFile, kind: str) -> str:
    """Return what to tell of a file of a kind that is not taken."""
    return f"I did not take {file.name}: files of the kind {kind} are refused here (WIREROOM_REFUSED_FILES)."


def joined(given: GivenFiles, piece: GivenFiles) -> GivenFiles:
    """Return the request with a further piece of its album, each once, in the order of the messages."""
    known = {file.message_id: file for file in (*given.files, *piece.files)}
    captions = dict.fromkeys(text for text in (given.caption, piece.caption) if text)
    return structs.replace(
        given,
        files=tuple(known[number] for number in sorted(known)),
        caption="\n\n".join(captions),
        due_ms=max(given.due_ms, piece.due_ms),
    )


def folder_of(run_id: str, file: ChatFile) -> str:
    """Return the inbox folder of a run's file: 32 hex digits, the same for every try to bring it."""
    return hashlib.sha256(f"{run_id}/{file.message_id}/{file.unique_id}".encode()).hexdigest()[:32]


def prompt_with(given: GivenFiles, files: Sequence[GivenFile]) -> str:
    """Return the prompt: the words, then where the files are."""
    return told(given.caption, files)
