"""Downloads from Telegram: complete or absent."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_telegram_server import TOKEN, Behaviour, RawServer, client, hang, raw, reply, server, session

from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError, Rejected, TelegramUnavailable, TooLong

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
