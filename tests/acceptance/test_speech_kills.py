"""`kill -9` at each point between a voice message and its answers: the text once, the voice at most once."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import told
from installation import installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.elevenlabs import ElevenLabsServer, Fault
from wireroom.testing.eventually import eventually

HELLO = (Path(__file__).parents[1] / "fixtures" / "speech" / "hello.oga").read_bytes()
SAID = "Please repeat token one"

POINTS = {
    "heard, the words not committed": ("within Hearing._store 1", 1),
    "the words committed, the run not begun": ("after Hearing._store 1", 1),
    "answer committed, nothing spoken": ("after Executor._finish 1", 1),
    "spoken, the voice message not committed": ("within Speaker.handle 1", 1),
    "voice message committed, not begun": ("after Speaker.handle 1", 1),
    "voice message announced, not sent": ("after Sender._speak 1", 0),
    "voice message sent, not recorded": ("within Sender._speak 2", 1),
}
"""Where it dies, and how many voice messages there are in the end."""


def answers(telegram: BotAPIServer, chat: Chat, message_id: int) -> list[SeenMessage]:
    """Return the finished replies in text."""
    replies = telegram.answers_to(message_id, chat)
    return [one for one in replies if one.text.count("token") > 1 and "⏳" not in one.text]


@pytest.mark.parametrize("point", POINTS)
async def test_kill_on_the_way_of_speech_answers_once(tmp_path: Path, point: str) -> None:
    """Whatever was under way, one text answers in the end, and no voice message is said twice."""
    fault, voices = POINTS[point]
    async with (
        BotAPIServer() as telegram,
        ElevenLabsServer(transcript=SAID, sound=HELLO) as labs,
        installed(tmp_path, telegram, ELEVENLABS_API_KEY=labs.key, ELEVENLABS_API_URL=labs.url) as service,
    ):
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(fault, forked=True)
        await told(telegram, ada, "/settings allow_audio_output on", "allow_audio_output")
        spoken = telegram.message_id_of(await telegram.user_sends_voice(ada, HELLO, duration_seconds=3))
        await service.died()
        await service.start(forked=True)
        await eventually(lambda: answers(telegram, ada, spoken), "it is answered", timeout_seconds=10)
        later = telegram.message_id_of(await telegram.user_says(ada, "Please repeat token two, token two"))
        await eventually(lambda: answers(telegram, ada, later), "the next is answered", timeout_seconds=10)
        await eventually(lambda: len(telegram.calls_of("sendVoice")) >= voices, "the voice is there")
    assert len(answers(telegram, ada, spoken)) == 1
    assert len(telegram.calls_of("sendVoice")) == voices
    assert len(labs.of("speak")) <= 2


async def test_kill_while_hearing_hears_again(tmp_path: Path) -> None:
    """A process that dies while ElevenLabs listens asks again, and answers once."""
    async with (
        BotAPIServer() as telegram,
        ElevenLabsServer(transcript=SAID, sound=HELLO) as labs,
        installed(tmp_path, telegram, ELEVENLABS_API_KEY=labs.key, ELEVENLABS_API_URL=labs.url) as service,
    ):
        labs.fault("hear", Fault(slow_seconds=30))
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(forked=True)
        spoken = telegram.message_id_of(await telegram.user_sends_voice(ada, HELLO, duration_seconds=3))
        await eventually(lambda: labs.of("hear"), "it is being heard", timeout_seconds=10)
        await service.kill()
        await service.start(forked=True)
        await eventually(lambda: answers(telegram, ada, spoken), "it is answered", timeout_seconds=10)
    assert len(answers(telegram, ada, spoken)) == 1
    assert len(labs.of("hear")) == 2
