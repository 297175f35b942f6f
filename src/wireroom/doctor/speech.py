"""Looks at who hears and who speaks."""

from __future__ import annotations

from wireroom.doctor.findings import Finding
from wireroom.settings import Settings
from wireroom.speech.choice import Chosen, Nobody
from wireroom.speech.makers import chosen_ear, chosen_voice


def look_at_speech(settings: Settings) -> list[Finding]:
    """Tell who turns voice messages into text and answers into speech; nothing is asked over the network."""
    return [
        _finding("Hearing", chosen_ear(settings), settings.hearing_model, str(settings.hearing_folder or "")),
        _finding(
            "Speaking", chosen_voice(settings), settings.speaking_model, str(settings.speaking_file or "")
        ),
    ]


def _finding(subject: str, chosen: Chosen | Nobody, model: str, file: str) -> Finding:
    if isinstance(chosen, Nobody):
        return Finding(subject, not chosen.wanted, f"nobody: {chosen.reason}")
    if chosen.by == "elevenlabs":
        return Finding(subject, True, f"ElevenLabs, {model}")
    program = chosen.engine.value if chosen.engine else "piper"
    return Finding(subject, True, f"this machine, {program}{f' with {file}' if file else ''}")
