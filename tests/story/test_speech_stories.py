"""What it is like to talk to a coding agent: one story each, told from the person's side.

The service is the real one with the demo agent; Telegram and ElevenLabs are played by local servers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.speech.sound import read_opus
from wireroom.system_settings import set_setting
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, DropAfter, SeenMessage, rejected
from wireroom.testing.bot_api import Fault as FaultKind
from wireroom.testing.elevenlabs import ElevenLabsServer, Fault
from wireroom.testing.eventually import eventually

HELLO = (Path(__file__).parents[1] / "fixtures" / "speech" / "hello.oga").read_bytes()
SAID = "Write hello world to notes.txt"


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def labs() -> AsyncIterator[ElevenLabsServer]:
    """Play ElevenLabs."""
    async with ElevenLabsServer(transcript=SAID, sound=HELLO) as server:
        yield server


@pytest.fixture
def settings(telegram: BotAPIServer, labs: ElevenLabsServer, tmp_path: Path) -> Settings:
    """Set up a bot that Ada, person 7, may talk to."""
    return Settings(
        data_dir=tmp_path / "data",
        port=0,
        bot_token=SecretStr(telegram.token),
        telegram_api_url=telegram.url,
        allowed_users=(7,),
        backend="demo",
        chat_messages_per_second=100,
        elevenlabs_api_key=SecretStr(labs.key),
        labs_url=labs.url,
        hearing_seconds=5,
    )


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Open Ada's chat."""
    return telegram.private_chat(telegram.user(7, "Ada"))


async def allow_voice(service: Service) -> None:
    """Switch spoken answers on."""
    write = service.services.db.write
    await write(lambda conn: set_setting(conn, "allow_audio_output", 1, who="test", now_ms=1))


async def speak(telegram: BotAPIServer, chat: Chat, recording: bytes = HELLO) -> int:
    """Send a voice message and return its id."""
    return telegram.message_id_of(await telegram.user_sends_voice(chat, recording, duration_seconds=3))


async def reply(
    telegram: BotAPIServer, chat: Chat, message_id: int, fits: Callable[[SeenMessage], bool]
) -> SeenMessage:
    """Wait for a reply to the message that fits, and return it."""

    def found() -> list[SeenMessage]:
        return [one for one in telegram.answers_to(message_id, chat) if fits(one)]

    await eventually(found, f"a reply among {telegram.answers_to(message_id, chat)}", timeout_seconds=15)
    return found()[0]


def is_finished(message: SeenMessage) -> bool:
    """Tell whether this is the answer in text, and no progress."""
    return "⏳" not in message.text and message.text.count("notes.txt") > 1


async def test_a_person_speaks_and_the_answer_comes_as_text_and_voice(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """Ada says what she wants; the answer quotes what was understood, and is spoken, too."""
    async with Service(settings) as service:
        await allow_voice(service)
        spoken = await speak(telegram, ada)
        text = await reply(telegram, ada, spoken, is_finished)
        voice = await reply(telegram, ada, spoken, lambda one: one.voice is not None)
    assert text.text.startswith(f"🎙 {SAID}")
    assert voice.voice == HELLO
    played = read_opus(voice.voice)
    assert played is not None
    assert telegram.calls_of("sendVoice")[0].params["duration"] == str(round(played.seconds))
    assert labs.of("hear")[0].file == HELLO
    assert "🎙" not in labs.of("speak")[0].fields["text"]


async def test_speech_is_answered_in_writing_while_the_switch_is_off(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """Without `allow_audio_output` nothing is spoken, and nothing is asked for it."""
    async with Service(settings):
        spoken = await speak(telegram, ada)
        await reply(telegram, ada, spoken, lambda one: one.text.startswith(f"🎙 {SAID}"))
        await reply(telegram, ada, await speak(telegram, ada), lambda one: "hello world" in one.text)
    assert not labs.of("speak")
    assert not telegram.calls_of("sendVoice")


async def test_the_agent_remembers_what_was_spoken(
    telegram: BotAPIServer, settings: Settings, ada: Chat
) -> None:
    """What was heard is the request itself: in the conversation, and for /retry."""
    async with Service(settings):
        await reply(telegram, ada, await speak(telegram, ada), lambda one: "notes.txt" in one.text)
        asked = telegram.message_id_of(await telegram.user_says(ada, "what did I ask before?"))
        await reply(telegram, ada, asked, lambda one: SAID in one.text)


async def test_messages_after_speech_wait_their_turn(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """While a voice message is heard, a text behind it waits, and /status does not."""
    labs.fault("hear", Fault(slow_seconds=1.0))
    async with Service(settings):
        spoken = await speak(telegram, ada)
        asked = telegram.message_id_of(await telegram.user_says(ada, "read notes.txt"))
        status = telegram.message_id_of(await telegram.user_says(ada, "/status"))
        await reply(telegram, ada, status, lambda one: "waiting" in one.text)
        await reply(telegram, ada, asked, lambda one: "hello world" in one.text)
        await reply(telegram, ada, spoken, lambda one: SAID in one.text)


async def test_stop_overtakes_hearing(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """/stop ends a request that is still being heard, at once."""
    labs.fault("hear", Fault(slow_seconds=2.0))
    async with Service(settings):
        spoken = await speak(telegram, ada)
        await eventually(lambda: labs.of("hear"), "it is being heard")
        await telegram.user_says(ada, "/stop")
        await reply(telegram, ada, spoken, lambda one: "⏹" in one.text)


async def test_speech_that_takes_too_long_is_given_up_and_can_be_tried_again(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """A recogniser that does not answer costs the message its own patience; a button tries again."""
    labs.fault("hear", Fault(slow_seconds=10.0))
    impatient = settings.model_copy(update={"hearing_seconds": 0.5})
    async with Service(impatient):
        spoken = await speak(telegram, ada)
        asked = telegram.message_id_of(await telegram.user_says(ada, "calculate 6 * 7"))
        failed = await reply(telegram, ada, spoken, lambda one: "did not understand" in one.text)
        await reply(telegram, ada, asked, lambda one: "42" in one.text)
        again = next(one for row in failed.buttons for one in row if "again" in one.text)
        await telegram.user_presses(again)
        await eventually(
            lambda: any(SAID in one.text for one in telegram.visible(ada)),
            "it is understood",
            timeout_seconds=10,
        )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param((Fault(status=401, code="invalid_api_key"), "ELEVENLABS_API_KEY"), id="key"),
        pytest.param((Fault(status=401, code="quota_exceeded"), "used up"), id="quota"),
        pytest.param((Fault(status=400, code="bad_audio"), "answered 400"), id="refused"),
    ],
)
async def test_what_will_not_pass_is_told_at_once(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat, wrong: tuple[Fault, str]
) -> None:
    """An error that no repetition mends is told in plain words, after one try, without the key."""
    fault, says = wrong
    labs.fault("hear", fault)
    async with Service(settings):
        answer = await reply(
            telegram, ada, await speak(telegram, ada), lambda one: "did not understand" in one.text
        )
    assert says in answer.text
    assert labs.key not in answer.text
    assert len(labs.of("hear")) == 1


async def test_what_may_pass_is_tried_again(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """A server error, a busy account and a broken answer cost a moment, no more."""
    labs.fault("hear", Fault(status=500), Fault(status=429, retry_after=0), Fault(cut=True))
    async with Service(settings):
        await reply(telegram, ada, await speak(telegram, ada), lambda one: SAID in one.text)
    assert len(labs.of("hear")) == 4


async def test_too_long_a_recording_is_refused_before_it_is_downloaded(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """The person is told the limit; nothing is downloaded or paid for."""
    strict = settings.model_copy(update={"longest_speech_seconds": 2})
    async with Service(strict):
        answer = await reply(telegram, ada, await speak(telegram, ada), lambda one: "2 seconds" in one.text)
    assert "did not listen" in answer.text
    assert not telegram.calls_of("getFile")
    assert not labs.requests


async def test_the_same_recording_is_heard_once(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat
) -> None:
    """A forwarded voice message costs nothing the second time; recordings are not kept."""
    async with Service(settings):
        spoken = await telegram.user_sends_voice(ada, HELLO, duration_seconds=3)
        await reply(telegram, ada, telegram.message_id_of(spoken), lambda one: SAID in one.text)
        again = dict(telegram.update(spoken)["message"]) | {"message_id": 900}
        await telegram.push_raw({"message": again})
        await eventually(
            lambda: [one for one in telegram.visible(ada) if SAID in one.text][1:], "it is answered again"
        )
    assert len(labs.of("hear")) == 1
    assert not list((settings.data_dir / "speech" / "incoming").iterdir())


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(status=401, code="invalid_api_key"), id="key"),
        pytest.param(Fault(body=b"<html>sorry</html>"), id="wrong-sound"),
        pytest.param(Fault(status=400), id="refused"),
    ],
)
async def test_a_voice_that_fails_leaves_the_text(
    telegram: BotAPIServer, labs: ElevenLabsServer, settings: Settings, ada: Chat, fault: Fault
) -> None:
    """The answer stands as text whatever becomes of its sound; nobody is bothered about that."""
    labs.fault("speak", fault)
    async with Service(settings) as service:
        await allow_voice(service)
        spoken = await speak(telegram, ada)
        await reply(telegram, ada, spoken, lambda one: SAID in one.text and "notes.txt" in one.text)
        await eventually(lambda: labs.of("speak"), "the voice was asked")
        asked = telegram.message_id_of(await telegram.user_says(ada, "calculate 6 * 7"))
        await reply(telegram, ada, asked, lambda one: "42" in one.text)
    assert not telegram.calls_of("sendVoice")


@pytest.mark.parametrize(
    "broken",
    [pytest.param(DropAfter(), id="in-doubt"), pytest.param(rejected("VOICE_MESSAGES_FORBIDDEN"), id="no")],
)
async def test_a_voice_message_in_doubt_is_not_sent_twice(
    telegram: BotAPIServer, settings: Settings, ada: Chat, broken: FaultKind
) -> None:
    """When nobody knows whether the sound came, or it is refused, it stays at one call; the text stands."""
    telegram.fault(broken, method="sendVoice", count=None)
    async with Service(settings) as service:
        await allow_voice(service)
        spoken = await speak(telegram, ada)
        await reply(telegram, ada, spoken, lambda one: SAID in one.text and "notes.txt" in one.text)
        await eventually(lambda: telegram.calls_of("sendVoice"), "the voice message was sent")
        asked = telegram.message_id_of(await telegram.user_says(ada, "calculate 6 * 7"))
        await reply(telegram, ada, asked, lambda one: "42" in one.text)
    assert len(telegram.calls_of("sendVoice")) == 1


async def test_without_anybody_who_hears_people_are_told_how_to_get_it(
    telegram: BotAPIServer, settings: Settings, ada: Chat
) -> None:
    """With hearing switched off the answer says so at once; nothing is queued."""
    async with Service(settings.model_copy(update={"hearing": "off"})):
        await reply(telegram, ada, await speak(telegram, ada), lambda one: "Please write" in one.text)
