"""Hears and speaks on this machine: programs of ours, without a key and without the network."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wireroom.speech.child import ChildHeardNothing, run_child
from wireroom.speech.choice import Engine
from wireroom.speech.elevenlabs import MOST_SOUND_BYTES, checked_sound
from wireroom.speech.errors import NothingHeard, SpeechRefused, SpeechUnavailable
from wireroom.speech.models import packaged_voice, packaged_whisper
from wireroom.speech.port import Heard, Spoken


class _Said(msgspec.Struct):
    text: str
    language: str | None = None


_said = msgspec.json.Decoder(_Said).decode


@dataclass(frozen=True, slots=True)
class LocalEar:
    """The port `Ear`, by a program of this machine."""

    engine: Engine
    data_dir: Path
    model: Path | None
    """A folder of faster-whisper; None: the packaged model."""
    longest_seconds: int
    memory_mib: int

    @property
    def name(self) -> str:
        """Which recogniser."""
        return f"{self.engine} {self.model or ''}".strip()

    async def hear(self, path: Path, content_type: str, language: str, *, seconds: float) -> Heard:
        """Return what is said in the file; see the port."""
        del content_type  # the decoder looks for itself
        model = await self._model()
        arguments = (str(self.memory_mib), self.engine.value, model, language, str(self.longest_seconds))
        try:
            said = await run_child("wireroom.speech.recognise", (*arguments, str(path)), seconds=seconds)
        except ChildHeardNothing:
            raise NothingHeard("There are no words in it.") from None
        try:
            heard = _said(said)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise SpeechUnavailable("The recogniser's answer cannot be read.") from None
        return Heard(heard.text, heard.language)

    async def _model(self) -> str:
        if self.engine is not Engine.WHISPER:
            return ""
        if self.model is not None:
            return str(self.model)
        try:
            return str(await asyncio.to_thread(packaged_whisper, self.data_dir))
        except OSError as error:
            raise SpeechUnavailable(f"The packaged model cannot be unpacked: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class LocalVoice:
    """The port `Voice`, by Piper."""

    model: Path | None
    """A Piper voice; None: the packaged one."""
    memory_mib: int

    @property
    def name(self) -> str:
        """Which voice."""
        return f"piper {self.model or 'joe'}"

    async def say(self, text: str, *, seconds: float) -> Spoken:
        """Return the text as sound; see the port."""
        voice = self.model or packaged_voice()
        if voice is None:
            raise SpeechRefused("No Piper voice is installed.")
        handle, name = await asyncio.to_thread(tempfile.mkstemp, suffix=".ogg")
        os.close(handle)
        path = Path(name)
        try:
            arguments = (str(self.memory_mib), str(voice), name)
            await run_child("wireroom.speech.synthesise", arguments, text=text, seconds=seconds)
            return checked_sound(await asyncio.to_thread(_read, path))
        except ChildHeardNothing:
            raise SpeechRefused("The voice cannot say this.") from None
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)


def _read(path: Path) -> bytes:
    if path.stat().st_size > MOST_SOUND_BYTES:
        raise SpeechRefused("The spoken answer is too large.")
    return path.read_bytes()
