"""Which recordings are listened to, by whom, and what follows from what goes wrong."""

from __future__ import annotations

import pytest

from wireroom.delivery.reaction import GiveUp, Later
from wireroom.delivery.voices import react_to_silence
from wireroom.errors import SpeechError
from wireroom.speech.child import environment_of
from wireroom.speech.choice import Chosen, Engine, Installed, Nobody, choose_ear, choose_voice
from wireroom.speech.elevenlabs import read_refusal
from wireroom.speech.errors import (
    SpeechBusy,
    SpeechKeyRefused,
    SpeechQuotaUsed,
    SpeechRefused,
    SpeechUnavailable,
    classify,
)
from wireroom.speech.limits import Recording, SpeechLimits, too_much, wait_before_retry
from wireroom.telegram.errors import BotAPIError, FloodWait, Forbidden, TelegramUnavailable, Uncertain

LIMITS = SpeechLimits(seconds=600, size=20 * 1024 * 1024, patience_seconds=60)
BOTH = Installed((Engine.WHISPER, Engine.POCKETSPHINX), voice=True)


@pytest.mark.parametrize(
    ("recording", "says"),
    [
        pytest.param(Recording("f", "u", 600, 20 * 1024 * 1024), None, id="just-so"),
        pytest.param(Recording("f", "u"), None, id="nothing-known"),
        pytest.param(Recording("f", "u", 601), "longer than 10 minutes", id="too-long"),
        pytest.param(Recording("f", "u", 1, 20 * 1024 * 1024 + 1), "larger than 20 MiB", id="too-large"),
    ],
)
def test_too_much_names_the_limit(recording: Recording, says: str | None) -> None:
    """What is refused is refused before anything is downloaded, with the limit in words."""
    found = too_much(recording, LIMITS)
    assert found is None if says is None else says in (found or "")


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        pytest.param(401, "invalid_api_key", SpeechKeyRefused, id="key"),
        pytest.param(401, "quota_exceeded", SpeechQuotaUsed, id="quota-as-401"),
        pytest.param(402, None, SpeechQuotaUsed, id="payment"),
        pytest.param(403, None, SpeechKeyRefused, id="forbidden"),
        pytest.param(429, "too_many_concurrent_requests", SpeechBusy, id="busy"),
        pytest.param(500, None, SpeechUnavailable, id="server"),
        pytest.param(503, None, SpeechUnavailable, id="gateway"),
        pytest.param(422, None, SpeechRefused, id="refused"),
        pytest.param(302, None, SpeechRefused, id="elsewhere"),
    ],
)
def test_classify_tells_what_to_do_next(status: int, code: str | None, kind: type[SpeechError]) -> None:
    """Only what may pass is a `SpeechUnavailable`."""
    assert type(classify(status, code, "said", retry_after_seconds=3)) is kind


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"detail": {"status": "quota_exceeded", "message": "Used up."}}', ("quota_exceeded", "Used up.")),
        (b'{"detail": "No."}', (None, "No.")),
        (b'{"detail": [{"msg": "a"}, {"msg": "b"}]}', (None, "a; b")),
        (b'{"error": "Bad."}', (None, "Bad.")),
        (b'{"message": "Bad."}', (None, "Bad.")),
        (b"<html>", (None, "")),
        (b"[1]", (None, "")),
    ],
)
def test_read_refusal_knows_every_shape(body: bytes, found: tuple[str | None, str]) -> None:
    """Whatever a gateway or the API says, there is a reason to show or none."""
    assert read_refusal(body) == found


@pytest.mark.parametrize(
    ("wanted", "has_key", "installed", "ear"),
    [
        ("auto", True, BOTH, Chosen("elevenlabs")),
        ("auto", False, BOTH, Chosen("local", Engine.WHISPER)),
        ("auto", False, Installed((Engine.POCKETSPHINX,)), Chosen("local", Engine.POCKETSPHINX)),
        ("local", True, BOTH, Chosen("local", Engine.WHISPER)),
    ],
)
def test_choose_ear_takes_the_first_that_is_set_up(
    wanted: str, has_key: bool, installed: Installed, ear: Chosen
) -> None:
    """A key goes first, then the best recogniser that is installed; a wish overrules both."""
    assert choose_ear(wanted, has_key=has_key, installed=installed) == ear


@pytest.mark.parametrize(
    ("wanted", "complains"), [("auto", False), ("local", True), ("elevenlabs", True), ("off", False)]
)
def test_choosing_nobody_says_how_to_get_somebody(wanted: str, complains: bool) -> None:
    """Without key and packages nobody hears or speaks; that is a problem only where it was asked for."""
    for choose in (choose_ear, choose_voice):
        found = choose(wanted, has_key=False, installed=Installed())
        assert isinstance(found, Nobody)
        assert found.wanted is complains
        assert found.reason


def test_waiting_grows_and_ends_with_patience() -> None:
    """A busy service is asked again after what it says, else later and later, never past the time-out."""
    error = SpeechUnavailable("x")
    waits = [wait_before_retry(error, tries, left_seconds=60, jitter=0) for tries in (1, 2, 3, 9)]
    assert waits == [0.5, 1.0, 2.0, 10.0]
    assert wait_before_retry(error, 3, left_seconds=1.5, jitter=0) is None
    assert wait_before_retry(SpeechBusy("x", retry_after_seconds=7), 1, left_seconds=60, jitter=0) == 7


@pytest.mark.parametrize(
    ("error", "attempts", "again"),
    [
        pytest.param(FloodWait("sendVoice", "x", retry_after_seconds=5), 9, 5.0, id="flood"),
        pytest.param(TelegramUnavailable("sendVoice", "x"), 0, 2.0, id="certainly-not-sent"),
        pytest.param(TelegramUnavailable("sendVoice", "x"), 3, None, id="tried-enough"),
        pytest.param(Uncertain("sendVoice", "x"), 0, None, id="in-doubt"),
        pytest.param(Forbidden("sendVoice", "x"), 0, None, id="refused"),
    ],
)
def test_a_voice_message_is_repeated_only_while_it_certainly_was_not_sent(
    error: BotAPIError, attempts: int, again: float | None
) -> None:
    """What is in doubt is left out: the text is there."""
    found = react_to_silence(error, attempts=attempts)
    assert isinstance(found, GiveUp) if again is None else isinstance(found, Later) and found.seconds == again


def test_a_program_gets_no_secret() -> None:
    """The environment of what hears and speaks here is an allow list, and forbids downloads."""
    ours = {"PATH": "/bin", "ELEVENLABS_API_KEY": "k", "TELEGRAM_BOT_TOKEN": "t", "HOME": "/root"}
    assert environment_of(ours).keys() == {
        "PATH",
        "HOME",
        "HF_HUB_OFFLINE",
        "OMP_NUM_THREADS",
        "PYTHONUNBUFFERED",
    }
