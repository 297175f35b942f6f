"""Downloads from Telegram: complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import ClientSession
from raw_telegram_server import TOKEN, Behaviour, RawServer, client, hang, raw, reply, server, session

from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError, Rejected, TelegramUnavailable, TooLong
from wireroom.telegram.local_files import copy_local
from wireroom.telegram.methods import GetFile
from wireroom.testing import BotAPIServer

__all__ = ["client", "server", "session"]


def files_of(folder: Path) -> dict[str, bytes]:
    """Return name and content of every file in the folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_download_streams_to_the_path(
    server: RawServer, client: TelegramClient, tmp_path: Path
) -> None:
    """A download is complete or absent, and tells its size."""
    content = b"voice" * 100_000
    server.behaviour = reply(content)
    size = await client.download("voice/file_1.oga", tmp_path / "in.oga", max_bytes=10**6)
    assert size == len(content)
    assert files_of(tmp_path) == {"in.oga": content}
    assert server.requests[0].path == f"/file/bot{TOKEN}/voice/file_1.oga"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (reply(b"x" * 2000), TooLong),
        (reply(b"", "404 Not Found"), Rejected),
        (reply(b"", "500 Oops"), TelegramUnavailable),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nhalf"), TelegramUnavailable),
        (hang, TelegramUnavailable),
    ],
    ids=["too large", "gone", "server error", "broke off", "hang"],
)
async def test_failed_download_leaves_nothing(
    server: RawServer, client: TelegramClient, tmp_path: Path, answer: Behaviour, kind: type[BotAPIError]
) -> None:
    """A download that fails says why and leaves no file."""
    server.behaviour = answer
    with pytest.raises(BotAPIError) as caught:
        await client.download("voice/file_1.oga", tmp_path / "in.oga", max_bytes=1000)
    assert type(caught.value) is kind
    assert caught.value.__context__ is None
    assert files_of(tmp_path) == {}


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "a/../../b", "a\\b"])
async def test_download_refuses_paths_that_telegram_never_gives(
    server: RawServer, client: TelegramClient, tmp_path: Path, path: str
) -> None:
    """A path that leaves the bot's folder is not asked for."""
    with pytest.raises(Rejected):
        await client.download(path, tmp_path / "x", max_bytes=10)
    assert server.requests == []


async def test_files_of_a_local_server_are_copied_from_its_folder(tmp_path: Path) -> None:
    """In local mode getFile tells absolute paths; the copy is complete, our own, and asked of nobody."""
    async with BotAPIServer(local_folder=tmp_path / "server") as telegram, ClientSession() as http:
        ada = telegram.private_chat(telegram.user(7))
        content = b"x" * (21 * 1024 * 1024)
        given = telegram.update(await telegram.user_sends_document(ada, "big.bin", content))
        client = TelegramClient(telegram.token, http, telegram.url, local_files=tmp_path / "server")
        found = await client.call(GetFile(file_id=given["message"]["document"]["file_id"]))
        assert found.file_path is not None
        (tmp_path / "inbox").mkdir()
        size = await client.download(found.file_path, tmp_path / "inbox" / "big.bin", max_bytes=len(content))
        with pytest.raises(TooLong):
            await client.download(found.file_path, tmp_path / "inbox" / "again", max_bytes=len(content) - 1)
    assert size == len(content)
    assert files_of(tmp_path / "inbox") == {"big.bin": content}
    assert (tmp_path / "inbox" / "big.bin").stat().st_nlink == 1
    assert not telegram.calls_of("download")


@pytest.mark.parametrize("where", ["secret", "server/../secret", "server/link", "server/gone", "server"])
def test_nothing_outside_of_a_local_servers_folder_is_copied(tmp_path: Path, where: str) -> None:
    """Whatever the server names: a link, a step up, a folder or nothing is refused, and nothing is left."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(Rejected):
        copy_local(tmp_path / "server", str(tmp_path / where), tmp_path / "copy", max_bytes=100)
    assert not (tmp_path / "copy").exists()
