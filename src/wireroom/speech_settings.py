"""The settings of hearing and speaking; a part of `Settings`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import SecretStr, field_validator

from wireroom.agent_settings import named
from wireroom.file_settings import FileSettings

_LANGUAGE = re.compile(r"[a-z]{2,3}")
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
Provider = Literal["auto", "elevenlabs", "local", "off"]


class SpeechSettings(FileSettings):
    """Who turns speech into text and text into speech, and how much of it."""

    elevenlabs_api_key: SecretStr = named(
        "ELEVENLABS_API_KEY",
        default=SecretStr(""),
        description="Key of ElevenLabs; with it, speech is heard and spoken there.",
    )
    labs_url: str = named(
        "ELEVENLABS_API_URL",
        default="https://api.elevenlabs.io",
        description="Where ElevenLabs answers.",
    )
    hearing_model: str = named(
        "ELEVENLABS_STT_MODEL_ID", default="scribe_v1", description="ElevenLabs' model for hearing."
    )
    speaking_model: str = named(
        "ELEVENLABS_TTS_MODEL_ID", default="eleven_turbo_v2_5", description="ElevenLabs' model for speaking."
    )
    voice_id: str = named(
        "ELEVENLABS_VOICE_ID", default="vfaqCOvlrKi4Zp7C2IAm", description="ElevenLabs' voice."
    )
    voice_format: str = named(
        "WIREROOM_ELEVENLABS_FORMAT",
        default="opus_48000_32",
        description="Form of ElevenLabs' speech: `opus_…` or `mp3_…`, which Telegram plays as voice.",
    )
    voice_agent_id: str = named(
        "ELEVENLABS_AGENT_ID", default="", description="The voice agent of ElevenLabs that browsers talk to."
    )
    hearing: Provider = named(
        "WIREROOM_HEARING",
        default="auto",
        description="Who turns speech into text: `elevenlabs`, `local`, `off`; `auto` takes the first that "
        "is set up.",
    )
    speaking: Provider = named(
        "WIREROOM_SPEAKING",
        default="auto",
        description="Who turns answers into speech: as above. The switch `allow_audio_output` must be on.",
    )
    speech_language: str = named(
        "WIREROOM_SPEECH_LANGUAGE",
        default="",
        description="Language that people speak, such as `en` or `deu`. Empty: it is recognised.",
    )
    hearing_folder: Path | None = named(
        "WIREROOM_HEARING_MODEL",
        default=None,
        description="Folder of a Whisper model in faster-whisper's form, for hearing here.",
    )
    speaking_file: Path | None = named(
        "WIREROOM_SPEAKING_MODEL",
        default=None,
        description="A Piper voice (`….onnx`, its `.json` beside it), for speaking here.",
    )
    hearing_seconds: float = named(
        "WIREROOM_HEARING_SECONDS",
        default=90.0,
        gt=0,
        le=3600,
        description="Longest time until a voice message must be understood, its download included, seconds.",
    )
    speaking_seconds: float = named(
        "WIREROOM_SPEAKING_SECONDS",
        default=60.0,
        gt=0,
        le=3600,
        description="Longest time until an answer must be spoken, seconds.",
    )
    longest_speech_seconds: int = named(
        "WIREROOM_SPEECH_MAX_SECONDS",
        default=600,
        ge=1,
        le=7200,
        description="Longest recording that is listened to, seconds.",
    )
    largest_speech_mib: int = named(
        "WIREROOM_SPEECH_MAX_MIB",
        default=20,
        ge=1,
        le=2000,
        description="Largest recording that is downloaded, MiB; Telegram's own servers give 20.",
    )
    speech_slots: int = named(
        "WIREROOM_SPEECH_SLOTS", default=2, ge=1, le=100, description="Recordings that are heard at once."
    )
    speech_memory_mib: int = named(
        "WIREROOM_SPEECH_MEMORY_MIB",
        default=4096,
        ge=256,
        description="Address space of a process that hears or speaks here, MiB.",
    )
    speech_days: int = named(
        "WIREROOM_SPEECH_DAYS",
        default=7,
        ge=0,
        description="Days that transcripts and spoken answers are kept; recordings never are.",
    )
    spoken_chars: int = named(
        "WIREROOM_SPOKEN_CHARS",
        default=600,
        ge=80,
        le=4000,
        description="Longest answer that is spoken as a whole, characters.",
    )

    @field_validator("speech_language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if value and not _LANGUAGE.fullmatch(value):
            raise ValueError("expected a language's code of two or three small letters, such as en or deu")
        return value

    @field_validator("voice_id", "hearing_model", "speaking_model", "voice_agent_id")
    @classmethod
    def _plain_id(cls, value: str) -> str:
        if value and not _ID.fullmatch(value):
            raise ValueError("expected letters, digits and . _ -")
        return value

    @field_validator("voice_format")
    @classmethod
    def _playable(cls, value: str) -> str:
        if not re.fullmatch(r"(opus|mp3)_[0-9]+_[0-9]+", value):
            raise ValueError("expected a form that Telegram plays, such as opus_48000_32 or mp3_44100_128")
        return value

    @field_validator("labs_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("expected an address such as https://api.elevenlabs.io")
        return value.rstrip("/")
