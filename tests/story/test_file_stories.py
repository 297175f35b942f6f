"""What it is like to give a coding agent files and to get some back: one story each, from the person's side.

The service is the real one with a scripted agent; Telegram is played by a local server.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer, ScriptedAgent, ScriptedBackend
from wireroom.testing.bot_api import Chat, DropBefore, Garble, Piece, SeenMessage, rejected
from wireroom.testing.eventually import eventually

JPEG = b"\xff\xd8\xff\xe0 picture "
PNG = b"\x89PNG\r\n\x1a\n chart"
_PATH = re.compile(r"[-•] (\S+) \(\d+ bytes\)")


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
def settings(telegram: BotAPIServer, tmp_path: Path) -> Settings:
    """Set up a bot that Ada, person 7, may talk to."""
    return Settings(
        data_dir=tmp_path / "data",
        port=0,
        bot_token=SecretStr(telegram.token),
        telegram_api_url=telegram.url,
        allowed_users=(7,),
        chat_messages_per_second=100,
        album_seconds=0.3,
        file_seconds=10,
    )


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Lend an agent that does what it is told, or echoes it."""
    return ScriptedAgent(tmp_path / "agent")


@pytest.fixture
async def service(settings: Settings, agent: ScriptedAgent) -> AsyncIterator[Service]:
    """Start the service."""
    async with Service(settings, backend=ScriptedBackend(agent)) as running:
        yield running


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Open Ada's chat."""
    return telegram.private_chat(telegram.user(7, "Ada"))


async def reply(
    telegram: BotAPIServer, chat: Chat, message_id: int, fits: Callable[[SeenMessage], object]
) -> SeenMessage:
    """Wait for a reply to the message that fits, and return it."""

    def found() -> list[SeenMessage]:
        return [one for one in telegram.answers_to(message_id, chat) if fits(one)]

    try:
        await eventually(found, "a reply that fits", timeout_seconds=15)
    except AssertionError as error:
        shown = [(one.text, one.document_name) for one in telegram.visible(chat)]
        raise AssertionError(f"{error}: {shown}") from error
    return found()[0]


def given(answer: SeenMessage) -> list[bytes]:
    """Return what lies at the paths that the agent was told, and echoes."""
    return [Path(path).read_bytes() for path in _PATH.findall(answer.text)]


async def said(telegram: BotAPIServer, chat: Chat, text: str) -> int:
    """Say something and return the message's id."""
    return telegram.message_id_of(await telegram.user_says(chat, text))


@pytest.mark.usefixtures("service")
async def test_an_album_is_one_request_and_its_agent_gets_every_picture(
    telegram: BotAPIServer, ada: Chat, agent: ScriptedAgent
) -> None:
    """Three photos with one caption are asked once, answered once, and lie where the agent is told."""
    pieces = [Piece(JPEG + b"1", "Please compare these"), Piece(JPEG + b"2"), Piece(JPEG + b"3")]
    first, *_ = await telegram.user_sends_album(ada, pieces)
    answer = await reply(telegram, ada, telegram.message_id_of(first), lambda one: "compare" in one.text)
    await eventually(agent.ledger.ends, "the agent is done")
    answer = await reply(telegram, ada, telegram.message_id_of(first), given)
    assert given(answer) == [JPEG + b"1", JPEG + b"2", JPEG + b"3"]
    assert answer.text.startswith("Please compare these")
    assert sum(agent.ledger.starts().values()) == 1
    assert len([one for one in telegram.visible(ada) if one.from_bot]) == 1


@pytest.mark.usefixtures("service")
async def test_a_picture_of_an_album_that_comes_late_is_not_lost(
    telegram: BotAPIServer, ada: Chat, agent: ScriptedAgent
) -> None:
    """A piece that Telegram delivers after the run began is a request of its own, which says so."""
    album = telegram.new_album()
    await telegram.user_sends_photo(ada, JPEG + b"1", caption="Please look", album=album)
    await eventually(agent.ledger.starts, "the run has begun", timeout_seconds=10)
    late = telegram.message_id_of(await telegram.user_sends_photo(ada, JPEG + b"2", album=album))
    answer = await reply(telegram, ada, late, given)
    assert given(answer) == [JPEG + b"2"]
    assert "sent just before" in answer.text


@pytest.mark.usefixtures("service")
async def test_documents_replies_and_forwards_reach_the_agent_as_what_they_are(
    telegram: BotAPIServer, ada: Chat
) -> None:
    """A document keeps its name; what is answered, quoted or forwarded is told apart from the request."""
    sent = await telegram.user_sends_document(ada, "../notes.txt", b"tea", caption="Please read it")
    document = telegram.message_id_of(sent)
    answer = await reply(telegram, ada, document, given)
    assert given(answer) == [b"tea"]
    assert "/notes.txt (3 bytes)" in answer.text
    asked = telegram.message_id_of(await telegram.user_says(ada, "And who drinks it?", reply_to=document))
    about = await reply(telegram, ada, asked, given)
    assert given(about) == [b"tea"]
    assert "this answers what Ada wrote" in about.text
    quoting = await telegram.user_quotes(ada, "Why this?", answer.id, "Please read")
    quoted = await reply(
        telegram, ada, telegram.message_id_of(quoting), lambda one: "what you wrote" in one.text
    )
    assert quoted.text.startswith("Why this?")
    forwarded = await telegram.user_forwards(ada, "/stop the tea", telegram.user(9, "Bob"))
    told = await reply(
        telegram, ada, telegram.message_id_of(forwarded), lambda one: "Forwarded from Bob" in one.text
    )
    assert "/stop the tea" in told.text


@pytest.mark.usefixtures("service")
async def test_files_that_are_not_taken_are_refused_in_words(
    telegram: BotAPIServer, ada: Chat, agent: ScriptedAgent
) -> None:
    """Too large, of a refused kind by name or by content: the person is told which, and nothing is run."""
    large = b"x" * (20 * 1024 * 1024 + 1)
    for name, content, says in (
        ("big.bin", large, "larger than the 20 MB that Telegram gives to bots"),
        ("setup.exe", b"anything", "files of the kind exe are refused"),
        ("harmless.txt", b"MZ\x90\0", "files of the kind exe are refused"),
    ):
        sent = telegram.message_id_of(await telegram.user_sends_document(ada, name, content))
        told = await reply(telegram, ada, sent, lambda one: "I did not take" in one.text)
        assert name in told.text
        assert says in told.text
    album = [Piece(b"fine", "Please read both", "a.txt"), Piece(large, name="b.bin")]
    first, _ = await telegram.user_sends_album(ada, album)
    told = await reply(telegram, ada, telegram.message_id_of(first), lambda one: "b.bin" in one.text)
    assert "larger than the 20 MB" in told.text
    assert not agent.ledger.starts()


@pytest.mark.usefixtures("service")
async def test_downloads_that_break_off_are_made_again_and_stop_overtakes_them(
    telegram: BotAPIServer, ada: Chat, agent: ScriptedAgent, settings: Settings
) -> None:
    """What Telegram does not give at once is asked for again; one that hangs is stopped like any request."""
    telegram.fault(DropBefore(), method="download")
    telegram.fault(Garble(), method="download")
    sent = telegram.message_id_of(await telegram.user_sends_document(ada, "a.txt", b"tea and more tea"))
    answer = await reply(telegram, ada, sent, given)
    assert given(answer) == [b"tea and more tea"]
    assert len(telegram.calls_of("download")) == 3
    held = telegram.hold("download")
    sent = telegram.message_id_of(await telegram.user_sends_document(ada, "b.txt", b"never"))
    await held.reached(10)
    await telegram.user_says(ada, "/stop")
    await reply(telegram, ada, sent, lambda one: "⏹" in one.text)
    held.release()
    assert sum(agent.ledger.starts().values()) == 1
    names = {path.name for path in (settings.data_dir / "inbox").rglob("*") if path.is_file()}
    assert names == {"a.txt"}


@pytest.mark.usefixtures("service")
async def test_what_the_agent_leaves_comes_back(
    telegram: BotAPIServer, ada: Chat, tmp_path: Path, settings: Settings
) -> None:
    """Pictures come as photos, all else as documents, each once, behind the answer; links never."""
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    script = "leave chart.png \\x89PNG\\r\\n\\x1a\\n chart; leave report.txt all is well"
    asked = await said(telegram, ada, f"{script}; leave empty.txt; link k.txt {secret}; say done")
    document = await reply(telegram, ada, asked, lambda one: one.document_name == "report.txt")
    photo = await reply(telegram, ada, asked, lambda one: one.photo)
    told = await reply(telegram, ada, asked, lambda one: "Not sent" in one.text)
    answer = await reply(telegram, ada, asked, lambda one: one.text == "done")
    assert (document.document, photo.photo) == (b"all is well", PNG)
    assert "empty.txt is empty" in told.text
    assert "k.txt is a link" in told.text
    assert answer.id < min(document.id, photo.id)
    telegram.fault(rejected("PHOTO_INVALID_DIMENSIONS"), method="editMessageMedia")
    asked = await said(telegram, ada, "leave wide.png \\x89PNG\\r\\n\\x1a\\n wide; say again")
    as_document = await reply(telegram, ada, asked, lambda one: one.document_name == "wide.png")
    assert as_document.document is not None
    sent = [one for one in telegram.visible(ada) if one.document_name or one.photo]
    assert len(sent) == 3
    assert not any(path.is_file() for path in (settings.data_dir / "outbox").rglob("*"))
    assert not any("hidden" in str(call.params) for call in telegram.calls)


async def test_a_local_bot_api_server_gives_larger_files(tmp_path: Path, agent: ScriptedAgent) -> None:
    """With a server of one's own, what is larger than 20 MB is copied from its folder."""
    content = b"y" * (21 * 1024 * 1024)
    async with BotAPIServer(local_folder=tmp_path / "server") as telegram:
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        local = Settings(
            data_dir=tmp_path / "data",
            port=0,
            bot_token=SecretStr(telegram.token),
            telegram_api_url=telegram.url,
            allowed_users=(7,),
            chat_messages_per_second=100,
            local_files=tmp_path / "server",
        )
        async with Service(local, backend=ScriptedBackend(agent)):
            sent = telegram.message_id_of(await telegram.user_sends_document(ada, "big.bin", content))
            answer = await reply(telegram, ada, sent, lambda one: _PATH.search(one.text))
    assert await asyncio.to_thread(given, answer) == [content]
    assert not telegram.calls_of("download")
