"""Who hears and who speaks in this installation."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import aiohttp
import structlog

from wireroom.app.bot import Bot
from wireroom.app.by_bot import EarsByBot, PerBot, RunsByBot, SignsByBot
from wireroom.app.runner import Surroundings
from wireroom.delivery import speaking
from wireroom.delivery.speaking import Speaker, SpeakingPolicy
from wireroom.jobs.port import Handler
from wireroom.runs import hearing
from wireroom.runs.hearing import Hearing
from wireroom.settings import Settings
from wireroom.speech.choice import Nobody
from wireroom.speech.limits import Recording, SpeechLimits
from wireroom.speech.listener import Listener
from wireroom.speech.makers import elevenlabs, make_ear, make_voice
from wireroom.speech.port import Ear
from wireroom.speech.shelf import Shelf
from wireroom.store.chore import repeat
from wireroom.system_settings import SystemSettings

_SWEEP_SECONDS = 3600.0
_MEBIBYTE = 1024 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SpeechWork:
    """What hears and speaks; each bot listens to what it was sent."""

    shelf: Shelf
    kept: timedelta
    listeners: PerBot[Listener]
    hearing: EarsByBot
    handlers: Mapping[str, Handler] = field(default_factory=dict)

    def deafness(self, bot_id: int, recording: Recording) -> str | None:
        """Return why nobody listens to the recording, None when somebody does."""
        listener = self.listeners.of(bot_id)
        return "The bot is not at work." if listener is None else listener.refusal(recording)

    async def sweep(self) -> None:
        """Remove old transcripts and sound, every hour, until cancelled."""

        async def once() -> None:
            if removed := self.shelf.sweep(time.time(), self.kept.total_seconds()):
                _log.info("speech_files_removed", count=removed)

        await repeat("speech files", once, _SWEEP_SECONDS)

    async def close(self) -> None:
        """Stop listening."""
        for listener in self.listeners.made:
            await listener.close()


def make_speech(
    around: Surroundings,
    session: aiohttp.ClientSession,
    runs: RunsByBot,
    signs: SignsByBot,
    switches: SystemSettings,
) -> SpeechWork:
    """Return what hears voice messages and speaks answers; nothing is loaded or asked yet."""
    settings, engine = around.settings, around.engine
    shelf, kept = Shelf(settings.data_dir), timedelta(days=settings.speech_days)
    make_listener = partial(_listener, settings, make_ear(settings, session), shelf)
    listeners = PerBot(runs.fleet, make_listener)

    def make_hearing(bot: Bot) -> Hearing:
        listener = listeners.of(bot.client.bot_id) or make_listener(bot)
        return Hearing(
            db=engine.db,
            jobs=engine.jobs,
            clock=around.clock,
            feed=around.feed,
            listen=listener.hear,
            show=signs.show,
        )

    hears = EarsByBot(runs, PerBot(runs.fleet, make_hearing))
    voice = make_voice(settings, session)
    speaker = Speaker(
        db=engine.db,
        jobs=engine.jobs,
        clock=around.clock,
        voice=None if isinstance(voice, Nobody) else voice,
        shelf=shelf,
        policy=SpeakingPolicy(settings.spoken_chars, settings.speaking_seconds),
        is_wanted=lambda: switches.is_on("allow_audio_output"),
        draw=random.random,
    )
    handlers = {hearing.KIND: hears.handle, speaking.KIND: speaker.handle}
    return SpeechWork(shelf, kept, listeners, hears, handlers)


def sign_talk(settings: Settings, session: aiohttp.ClientSession) -> Callable[[str], Awaitable[str]] | None:
    """Return what gives browsers the address of a talk with a voice agent; None without a key."""
    has_key = bool(settings.elevenlabs_api_key.get_secret_value())
    return elevenlabs(settings, session).signed_url if has_key else None


def _listener(settings: Settings, ear: Ear | Nobody, shelf: Shelf, bot: Bot) -> Listener:
    return Listener(
        client=bot.client,
        ear=ear.reason if isinstance(ear, Nobody) else ear,
        shelf=shelf,
        limits=SpeechLimits(
            seconds=settings.longest_speech_seconds,
            size=settings.largest_speech_mib * _MEBIBYTE,
            patience_seconds=settings.hearing_seconds,
        ),
        language=settings.speech_language,
        slots=settings.speech_slots,
        draw=random.random,
    )
