"""Who hears and who speaks, as the rest of speech sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wireroom.speech.sound import SoundForm


@dataclass(frozen=True, slots=True)
class Heard:
    """What was said in a recording."""

    text: str
    """Never empty."""
    language: str | None = None
    """As the recogniser names it; None when it does not tell."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A spoken text."""

    content: bytes
    form: SoundForm


class Ear(Protocol):
    """Turns speech into text."""

    @property
    def name(self) -> str:
        """Which recogniser, with what decides its results: `elevenlabs scribe_v1`; part of cache keys."""
        ...

    async def hear(self, path: Path, content_type: str, language: str, *, seconds: float) -> Heard:
        """Return what is said in the file.

        Args:
            path: The recording.
            content_type: Of the file, such as audio/ogg; may be empty.
            language: A hint; empty: recognise it.
            seconds: The longest time that it may take.

        Raises:
            SpeechError: by class, see `speech.errors`.
        """
        ...


class Voice(Protocol):
    """Turns text into speech."""

    @property
    def name(self) -> str:
        """Which voice, with what decides its sound; part of cache keys."""
        ...

    async def say(self, text: str, *, seconds: float) -> Spoken:
        """Return the text as sound that Telegram plays as a voice message.

        Raises:
            SpeechError: by class.
        """
        ...
