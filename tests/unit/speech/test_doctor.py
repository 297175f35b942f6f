"""What `wireroom doctor` says of hearing and speaking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from wireroom.doctor.speech import look_at_speech
from wireroom.settings import Settings


@pytest.mark.parametrize(
    ("about", "ok", "says"),
    [
        pytest.param({"elevenlabs_api_key": SecretStr("k")}, True, "ElevenLabs", id="key"),
        pytest.param({"hearing": "local", "speaking": "local"}, True, "this machine", id="local"),
        pytest.param(
            {"hearing": "elevenlabs", "speaking": "elevenlabs"}, False, "ELEVENLABS_API_KEY", id="bad"
        ),
        pytest.param({"hearing": "off", "speaking": "off"}, True, "off", id="off"),
    ],
)
def test_doctor_says_who_hears_and_who_speaks(
    tmp_path: Path, about: dict[str, Any], ok: bool, says: str
) -> None:
    """Who is in use is told, and a wish that cannot be met is a problem; the key is never shown."""
    for finding in look_at_speech(Settings(data_dir=tmp_path, **about)):
        assert finding.ok is ok
        assert says in finding.sentence
