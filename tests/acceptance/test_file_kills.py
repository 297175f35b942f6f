"""`kill -9` at each point between a file that is given and one that comes back: each there once."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import placeholders
from installation import UNHURRIED, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, Piece, SeenMessage
from wireroom.testing.eventually import eventually

JPEG = b"\xff\xd8\xff picture "
SCRIPT = r"leave a.txt tea\nand milk; leave b.png \x89PNG\r\n\x1a\n chart; say token"

POINTS = {
    "files fetched, the prompt not committed": "within Fetching._store 1",
    "files taken, the end not committed": "within Executor._finish 1",
    "end committed, nothing sent": "after Executor._finish 1",
    "place of a file sent, not recorded": "within Sender._place 4",
    "a file shown, not recorded": "within Sender._fill 2",
}
"""Where it dies."""


def back(telegram: BotAPIServer, chat: Chat) -> list[SeenMessage]:
    """Return the messages with files that came back."""
    return [one for one in telegram.visible(chat) if one.from_bot and (one.photo or one.document)]


def given_files(data_dir: Path) -> list[bytes]:
    """Return what lies in the inbox."""
    return sorted(path.read_bytes() for path in (data_dir / "inbox").rglob("*") if path.is_file())


@pytest.mark.parametrize("point", POINTS)
async def test_kill_on_the_way_of_files_has_each_once(tmp_path: Path, point: str) -> None:
    """Whatever was under way: the pictures lie there once, and each file comes back in one message."""
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, WIREROOM_ALBUM_SECONDS="0.2", ACCEPTANCE_SCRIPT=SCRIPT) as service,
    ):
        service.environment.update(UNHURRIED)
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(POINTS[point], forked=True)
        await telegram.user_sends_album(ada, [Piece(JPEG + b"1", "Compare"), Piece(JPEG + b"2")])
        await service.died()
        await service.start(forked=True)
        await eventually(lambda: len(back(telegram, ada)) >= 2, "the files are back", timeout_seconds=15)
        await eventually(lambda: not placeholders(telegram, ada), "nothing is open", timeout_seconds=10)
        shown = sorted((one.photo or one.document or b"", one.document_name) for one in back(telegram, ada))
        assert shown == [(b"tea\nand milk", "a.txt"), (b"\x89PNG\r\n\x1a\n chart", None)]
        assert [one.text for one in telegram.visible(ada) if one.from_bot and one.text] == ["token"]
        assert given_files(service.data_dir) == [JPEG + b"1", JPEG + b"2"]


async def test_kill_while_a_file_is_downloaded_downloads_it_again(tmp_path: Path) -> None:
    """A process that dies in the middle of a download leaves nothing that the next one takes for whole."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        held = telegram.hold("download")
        await service.start(forked=True)
        sent = telegram.message_id_of(
            await telegram.user_sends_document(ada, "a.txt", b"tea", caption="Please read")
        )
        await held.reached(10)
        await service.kill()
        held.release(drop=True)
        await service.start(forked=True)
        answered = lambda: [one for one in telegram.answers_to(sent, ada) if "a.txt" in one.text]  # noqa: E731
        await eventually(answered, "it is answered", timeout_seconds=15)
        assert given_files(service.data_dir) == [b"tea"]
        assert sum(service.agent.ledger.starts().values()) == 1
