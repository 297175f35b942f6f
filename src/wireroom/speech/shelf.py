"""What was heard and what was spoken, kept on the disk by content, so that nothing is paid for twice.

    <data>/speech/incoming/<id>      a recording while it is heard; what a crash leaves, `sweep` removes
    <data>/speech/heard/<digest>     a transcript, by the recording's unique id, recogniser and language
    <data>/speech/spoken/<digest>.*  sound, by the text and the voice

Files are this user's alone. A file that cannot be read or written is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from wireroom.speech.port import Heard, Spoken
from wireroom.speech.sound import SoundForm, form_of

_INCOMING_SECONDS = 6 * 3600.0


class _StoredHeard(msgspec.Struct):
    text: str
    language: str | None = None


_heard = msgspec.json.Decoder(_StoredHeard).decode


class Shelf:
    """The folder. Its methods use the disk: call them off the event loop."""

    def __init__(self, data_dir: Path) -> None:
        """Keep everything below `data_dir`."""
        self._root = data_dir / "speech"

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """Lend a path for a recording, in a folder that only this user may enter; removed at the end."""
        path = self._folder("incoming") / secrets.token_hex(16)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def find_heard(self, unique_id: str, ear: str, language: str) -> Heard | None:
        """Return what was heard before in this recording by this recogniser."""
        content = self._read(self._root / "heard" / _digest(unique_id, ear, language))
        if content is None:
            return None
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            stored = _heard(content)
            return Heard(stored.text, stored.language)
        return None

    def keep_heard(self, unique_id: str, ear: str, language: str, heard: Heard) -> None:
        """Keep what was heard."""
        content = msgspec.json.encode(_StoredHeard(heard.text, heard.language))
        self._write("heard", _digest(unique_id, ear, language), content)

    def find_spoken(self, text: str, voice: str) -> Spoken | None:
        """Return the text as it was spoken before by this voice."""
        for form in SoundForm:
            content = self._read(self._root / "spoken" / f"{_digest(text, voice)}.{form.suffix}")
            if content is not None and form_of(content) is form:
                return Spoken(content, form)
        return None

    def keep_spoken(self, text: str, voice: str, spoken: Spoken) -> None:
        """Keep a spoken text."""
        self._write("spoken", f"{_digest(text, voice)}.{spoken.form.suffix}", spoken.content)

    def sweep(self, now: float, kept_seconds: float) -> int:
        """Remove what is older, and recordings that a crash left; return how many files went.

        Args:
            now: Seconds since the epoch.
            kept_seconds: How long transcripts and sound are kept.
        """
        ages = {"incoming": _INCOMING_SECONDS, "heard": kept_seconds, "spoken": kept_seconds}
        return sum(self._sweep(self._root / name, now - age) for name, age in ages.items())

    def _sweep(self, folder: Path, before: float) -> int:
        removed = 0
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(folder):
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_file(follow_symlinks=False) and entry.stat().st_mtime < before:
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    def _folder(self, name: str) -> Path:
        folder = self._root / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def _read(self, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except OSError:
            return None

    def _write(self, folder: str, name: str, content: bytes) -> None:
        with contextlib.suppress(OSError):
            path = self._folder(folder) / name
            part = path.with_name(f"{name}.{secrets.token_hex(4)}.part")
            try:
                handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
