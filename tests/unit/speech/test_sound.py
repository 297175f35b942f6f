"""What kind of sound some bytes are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.errors import SpeechError
from wireroom.speech.elevenlabs import checked_sound
from wireroom.speech.sound import SoundForm, form_of, read_opus

HELLO = (Path(__file__).parents[2] / "fixtures" / "speech" / "hello.oga").read_bytes()


def test_an_opus_file_tells_how_long_it_plays() -> None:
    """Length, channels and completeness are read from the pages alone."""
    found = read_opus(HELLO)
    assert found is not None
    assert (found.channels, round(found.seconds, 2), found.is_complete) == (1, 2.99, True)
    assert form_of(HELLO) is SoundForm.OGG_OPUS


@given(st.integers(1, len(HELLO) - 1))
def test_an_opus_file_that_breaks_off_is_never_taken_for_whole(length: int) -> None:
    """Wherever it was cut, it is noticed."""
    found = read_opus(HELLO[:length])
    assert found is None or not found.is_complete
    with pytest.raises(SpeechError):
        checked_sound(HELLO[:length])


@pytest.mark.parametrize(
    ("content", "form"),
    [
        pytest.param(b"ID3\x04rest", SoundForm.MP3, id="mp3-with-tags"),
        pytest.param(b"\xff\xfb\x90d", SoundForm.MP3, id="mp3"),
        pytest.param(b"RIFF....WAVE", None, id="wav"),
        pytest.param(b"<html>", None, id="a-page"),
        pytest.param(b"OggS" + bytes(60), None, id="ogg-without-opus"),
        pytest.param(b"", None, id="nothing"),
    ],
)
def test_form_of_takes_what_telegram_plays(content: bytes, form: SoundForm | None) -> None:
    """Everything else would be shown as a file."""
    assert form_of(content) is form


@given(st.binary(max_size=300))
def test_any_bytes_can_be_looked_at(content: bytes) -> None:
    """Nothing that a server sends breaks the reader."""
    assert form_of(content) in {None, *SoundForm}
    read_opus(b"OggS" + content)
