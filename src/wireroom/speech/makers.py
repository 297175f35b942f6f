"""Makes the one who hears and the one who speaks, by the settings and by what is installed."""

from __future__ import annotations

import aiohttp

from wireroom.settings import Settings
from wireroom.speech.choice import Chosen, Engine, Nobody, choose_ear, choose_voice
from wireroom.speech.elevenlabs import ElevenLabs, ElevenLabsEar, ElevenLabsVoice
from wireroom.speech.local import LocalEar, LocalVoice
from wireroom.speech.models import installed
from wireroom.speech.port import Ear, Voice


def chosen_ear(settings: Settings) -> Chosen | Nobody:
    """Return who hears here, or why nobody does."""
    has_key = bool(settings.elevenlabs_api_key.get_secret_value())
    here = installed(settings.hearing_folder, settings.speaking_file)
    return choose_ear(settings.hearing, has_key=has_key, installed=here)


def chosen_voice(settings: Settings) -> Chosen | Nobody:
    """Return who speaks here, or why nobody does."""
    has_key = bool(settings.elevenlabs_api_key.get_secret_value())
    here = installed(settings.hearing_folder, settings.speaking_file)
    return choose_voice(settings.speaking, has_key=has_key, installed=here)


def make_ear(settings: Settings, session: aiohttp.ClientSession) -> Ear | Nobody:
    """Return who hears; nothing of it is loaded yet."""
    chosen = chosen_ear(settings)
    if isinstance(chosen, Nobody):
        return chosen
    if chosen.by == "elevenlabs":
        return ElevenLabsEar(elevenlabs(settings, session), settings.hearing_model)
    return LocalEar(
        engine=chosen.engine or Engine.POCKETSPHINX,
        data_dir=settings.data_dir,
        model=settings.hearing_folder,
        longest_seconds=settings.longest_speech_seconds,
        memory_mib=settings.speech_memory_mib,
    )


def make_voice(settings: Settings, session: aiohttp.ClientSession) -> Voice | Nobody:
    """Return who speaks; nothing of it is loaded yet."""
    chosen = chosen_voice(settings)
    if isinstance(chosen, Nobody):
        return chosen
    if chosen.by == "elevenlabs":
        return ElevenLabsVoice(
            elevenlabs(settings, session),
            settings.speaking_model,
            settings.voice_id,
            settings.voice_format,
            settings.speech_language,
        )
    return LocalVoice(settings.speaking_file, settings.speech_memory_mib)


def elevenlabs(settings: Settings, session: aiohttp.ClientSession) -> ElevenLabs:
    """Return the door to ElevenLabs with the installation's key."""
    key = settings.elevenlabs_api_key.get_secret_value()
    return ElevenLabs(session, key, settings.labs_url)
