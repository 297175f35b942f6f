"""Which recordings are listened to, and when to try again what did not work. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from wireroom.speech.errors import SpeechUnavailable

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 10.0
_MEBIBYTE = 1024 * 1024


class Recording(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something spoken that Telegram keeps: {"file_id": "Aw…", "unique_id": "Ag…", "seconds": 7}."""

    file_id: str
    unique_id: str
    """The same for the same content, whoever sends it and however often."""
    seconds: int = 0
    """0 when Telegram does not say, as for documents."""
    size: int | None = None
    """Bytes."""
    content_type: str = ""
    caption: str = ""
    """What was written beside it."""
    heard: bool = False
    """The run's prompt is what was heard."""

    @property
    def title(self) -> str:
        """What stands for it until it is heard: `🎙 Voice message (0:07)`."""
        length = f" ({self.seconds // 60}:{self.seconds % 60:02})" if self.seconds else ""
        return f"🎙 Voice message{length}"


@dataclass(frozen=True, slots=True)
class SpeechLimits:
    """What is too much."""

    seconds: int
    size: int
    """Bytes."""
    patience_seconds: float
    """Until a recording must be understood, from its first try on."""


def too_much(recording: Recording, limits: SpeechLimits) -> str | None:
    """Return what to tell the person whose recording is not listened to, None when it is."""
    if recording.seconds > limits.seconds:
        return f"it is longer than {_length(limits.seconds)}. Please say it shorter, or in parts."
    if recording.size is not None and recording.size > limits.size:
        return f"it is larger than {limits.size // _MEBIBYTE} MiB. Please send a shorter or smaller one."
    return None


def wait_before_retry(
    error: SpeechUnavailable, tries: int, *, left_seconds: float, jitter: float
) -> float | None:
    """Return the seconds to wait before the next try, None when there is no time for one.

    wait = retry_after, else min(10, 0.5 * 2 ** (tries - 1)) * (1 + jitter)

    Args:
        error: What happened.
        tries: Made so far, at least 1.
        left_seconds: Until patience ends.
        jitter: The caller's draw, in [0, 1).
    """
    usual = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 16)) * (1 + jitter)
    wait = usual if error.retry_after_seconds is None else error.retry_after_seconds
    return wait if wait < left_seconds else None


def _length(seconds: int) -> str:
    return f"{seconds // 60} minutes" if seconds >= 120 and seconds % 60 == 0 else f"{seconds} seconds"  # noqa: PLR2004
