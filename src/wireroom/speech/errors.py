"""Why speech was not turned into text, or text into speech, classed by what to do next.

    SpeechError
    ├── SpeechUnavailable     may pass: no connection, a server error, a time-out
    │   └── SpeechBusy        429: too many at once
    ├── SpeechKeyRefused      401, 403: the key is wrong or may not do this
    ├── SpeechQuotaUsed       the plan's characters or minutes are used up
    ├── NothingHeard          the recording has no words in it
    └── SpeechRefused         everything else: the same again will be refused again

`classify` is the whole rule for ElevenLabs and is pure. `plain` is what people are told; it never has a key.
"""

from __future__ import annotations

from http import HTTPStatus

from wireroom.errors import SpeechError

_MAX_CHARACTERS = 300
_USED_UP = frozenset({"quota_exceeded", "insufficient_credits", "subscription_required"})
_KEYS = frozenset({"invalid_api_key", "missing_permissions", "needs_authorization"})


class SpeechUnavailable(SpeechError):
    """It may work in a moment."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep how long to wait, where somebody said so."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class SpeechBusy(SpeechUnavailable):
    """Too many requests at once."""


class SpeechKeyRefused(SpeechError):
    """The key is wrong, or may not do this. Mend `ELEVENLABS_API_KEY`."""


class SpeechQuotaUsed(SpeechError):
    """The plan is used up until it is renewed."""


class NothingHeard(SpeechError):
    """There are no words in the recording."""


class SpeechRefused(SpeechError):
    """The same request will be refused again."""


def classify(
    status: int, code: str | None, message: str, *, retry_after_seconds: float | None = None
) -> SpeechError:
    """Return the error that ElevenLabs' answer stands for. Pure.

    Args:
        status: Of HTTP; not a success.
        code: `detail.status` of the body, such as `quota_exceeded`.
        message: For people, from the body.
        retry_after_seconds: Of the header.
    """
    said = message[:_MAX_CHARACTERS]
    if code in _USED_UP or status == HTTPStatus.PAYMENT_REQUIRED:
        return SpeechQuotaUsed(f"ElevenLabs: the plan is used up. {said}")
    if code in _KEYS or status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return SpeechKeyRefused(f"ElevenLabs refuses the key; check ELEVENLABS_API_KEY. {said}")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return SpeechBusy(f"ElevenLabs is busy. {said}", retry_after_seconds=retry_after_seconds)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.REQUEST_TIMEOUT:
        return SpeechUnavailable(
            f"ElevenLabs answered {status}. {said}", retry_after_seconds=retry_after_seconds
        )
    return SpeechRefused(f"ElevenLabs answered {status}. {said}")
