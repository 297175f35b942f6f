"""The client against a loopback server that can break every promise of HTTP."""

from __future__ import annotations

import asyncio
import io
import logging
import time
import traceback
from pathlib import Path

import aiohttp
import msgspec
import pytest
from raw_telegram_server import (
    MESSAGE,
    TOKEN,
    Behaviour,
    RawServer,
    Request,
    client,
    hang,
    ok,
    raw,
    refused,
    reply,
    server,
    session,
)

from wireroom.errors import SettingsError
from wireroom.telegram.client import TelegramClient, Timeouts
from wireroom.telegram.errors import (
    BotAPIError,
    FloodWait,
    NotModified,
    TelegramUnavailable,
    Uncertain,
)
from wireroom.telegram.methods import (
    EditMessageMedia,
    EditMessageText,
    GetMe,
    GetUpdates,
    Method,
    SendDocument,
    SendMessage,
)
from wireroom.telegram.types import Attachment, MessageEntity
from wireroom.testing.eventually import eventually

__all__ = ["client", "server", "session"]

HI = SendMessage(chat_id=5, text="hi")


async def failure_of(client: TelegramClient, request: Method[object] = HI) -> BotAPIError:
    """Return the error that the call raises."""
    with pytest.raises(BotAPIError) as caught:
        await client.call(request)
    return caught.value


async def test_call_posts_json_and_reads_the_result(server: RawServer, client: TelegramClient) -> None:
    """A request is one POST of JSON; of the reply only the known fields are read."""
    sent = await client.call(SendMessage(chat_id=5, text="hi 😀", entities=(MessageEntity("bold", 0, 2),)))
    assert (sent.message_id, sent.chat.id) == (7, 5)
    [request] = server.requests
    assert request.path == f"/bot{TOKEN}/sendMessage"
    assert request.headers["content-type"] == "application/json"
    assert msgspec.json.decode(request.body) == {
        "chat_id": 5,
        "text": "hi 😀",
        "entities": [{"type": "bold", "offset": 0, "length": 2}],
        "link_preview_options": {"is_disabled": True},
    }


async def test_call_reuses_the_connection(server: RawServer, client: TelegramClient) -> None:
    """Calls one after the other share a kept-alive connection."""
    connections: set[object] = set()

    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        connections.add(writer)
        await ok(MESSAGE)(request, writer)

    server.behaviour = behave
    for _ in range(3):
        await client.call(HI)
    assert len(server.requests) == 3
    assert len(connections) == 1


async def test_get_updates_returns_each_update_as_it_came(server: RawServer, client: TelegramClient) -> None:
    """An update is handed on byte for byte, also with fields that nobody knows yet."""
    server.behaviour = reply(b'{"ok":true,"result":[{"update_id":1,"new" : {"x":1}}, {"update_id":2}]}')
    updates = await client.call(GetUpdates(timeout=0, allowed_updates=[]))
    assert [bytes(update) for update in updates] == [b'{"update_id":1,"new" : {"x":1}}', b'{"update_id":2}']


async def test_edit_result_may_be_true(server: RawServer, client: TelegramClient) -> None:
    """An edit answers with the message or with true; null is what some servers say instead of true."""
    for said in (True, None):
        server.behaviour = ok(said)
        assert await client.call(EditMessageText(chat_id=5, message_id=7, text="x")) is True


@pytest.mark.parametrize("edit", [False, True], ids=["sendDocument", "editMessageMedia"])
async def test_upload_is_a_multipart_form(server: RawServer, client: TelegramClient, edit: bool) -> None:
    """The file is the form field `document`, its bytes unchanged; other fields are text or JSON."""
    file = Attachment("answer é.md", b"# All\r\n--of it\x00\xff", "text/markdown")
    if edit:
        await client.call(EditMessageMedia(chat_id=5, message_id=7, document=file))
    else:
        await client.call(SendDocument(chat_id=5, document=file, caption="Everything"))
    [request] = server.requests
    form = await _parse_form(request)
    assert form.pop("document") == file.content
    assert form.pop("chat_id") == b"5"
    expected = {"message_id": b"7", "media": b'{"type":"document","media":"attach://document"}'}
    assert form == (expected if edit else {"caption": b"Everything"})


async def test_upload_from_the_disk_is_the_same_form_and_tells_what_is_certain(
    server: RawServer, client: TelegramClient, tmp_path: Path
) -> None:
    """The file is read while it is sent; a break after that is uncertain, a file that is gone is not."""
    path = tmp_path / "large.bin"
    path.write_bytes(b"\0\xffx" * 1_000_000)
    file = Attachment("large.bin", b"", path=str(path))
    edit = EditMessageMedia(chat_id=5, message_id=7, document=file, kind="photo")
    await client.call(edit)
    form = await _parse_form(server.requests[0])
    assert form.pop("document") == path.read_bytes()
    assert form["media"] == b'{"type":"photo","media":"attach://document"}'
    server.behaviour = raw(b"")
    with pytest.raises(Uncertain):
        await client.call(edit)
    path.unlink()
    with pytest.raises(TelegramUnavailable):
        await client.call(edit)
    assert len(server.requests) == 2


async def _parse_form(request: Request) -> dict[str, bytes]:
    stream = aiohttp.StreamReader(_NoProtocol(), 2**16, loop=asyncio.get_running_loop())  # type: ignore[arg-type]  # only its pausing is used
    stream.feed_data(request.body)
    stream.feed_eof()
    fields = {}
    multipart = aiohttp.MultipartReader({"Content-Type": request.headers["content-type"]}, stream)
    while isinstance(part := await multipart.next(), aiohttp.BodyPartReader):
        assert part.name is not None
        fields[part.name] = bytes(await part.read())
    return fields


class _NoProtocol:
    """What a stream that is filled by hand needs of its protocol."""

    _reading_paused = False

    def pause_reading(self) -> None:
        """Nothing to pause."""

    def resume_reading(self, **_: object) -> None:
        """Nothing to resume."""


async def test_flood_wait_carries_the_seconds(server: RawServer, client: TelegramClient) -> None:
    """A 429 tells how long to leave the chat alone."""
    server.behaviour = refused(429, "Too Many Requests: retry after 30", retry_after=30)
    error = await failure_of(client)
    assert isinstance(error, FloodWait)
    assert error.retry_after_seconds == 30


async def test_flood_page_of_a_gateway_uses_its_header(server: RawServer, client: TelegramClient) -> None:
    """A 429 without a Bot API reply is read by its Retry-After header."""
    server.behaviour = reply(b"<html>slow down</html>", "429 Slow", "Retry-After: 12\r\n")
    error = await failure_of(client)
    assert isinstance(error, FloodWait)
    assert error.retry_after_seconds == 12


async def test_refusal_is_classed(server: RawServer, client: TelegramClient) -> None:
    """The description decides the class of a 400."""
    server.behaviour = refused(400, "Bad Request: message is not modified")
    assert type(await failure_of(client)) is NotModified


async def test_refused_connection_was_certainly_not_acted_on(
    session: aiohttp.ClientSession, client: TelegramClient
) -> None:
    """Nobody listens: nothing was sent, so the request may be repeated freely."""
    closed = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    address = f"http://127.0.0.1:{closed.sockets[0].getsockname()[1]}"
    closed.close()
    await closed.wait_closed()
    error = await failure_of(TelegramClient(TOKEN, session, base_url=address))
    assert type(error) is TelegramUnavailable


async def test_wait_for_a_free_connection_ends_as_not_sent(server: RawServer) -> None:
    """A call that never got a connection out of a full pool was not sent."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        server.behaviour = hang
        times = Timeouts(connect_seconds=0.1, call_seconds=2)
        client = TelegramClient(TOKEN, session, base_url=server.address, timeouts=times)
        first = asyncio.create_task(client.call(HI))
        await eventually(lambda: server.requests, "the first call holds the only connection")
        error = await failure_of(client)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    assert type(error) is TelegramUnavailable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok":tr',
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"ok":t',
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
        b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n{"ok":true,"result":{"date":1}}',
        b'HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{"ok":true,"result":null}',
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>",
    ],
    ids=[
        "closed",
        "closed in the head",
        "closed in the body",
        "not HTTP",
        "broken JSON",
        "not UTF-8",
        "no result",
        "another result",
        "null for a message",
        "broken compression",
        "gateway page",
    ],
)
async def test_unreadable_answer_is_uncertain(
    server: RawServer, client: TelegramClient, answer: bytes
) -> None:
    """The request left and no readable answer came: Telegram may have acted, and only once was it asked."""
    server.behaviour = raw(answer)
    assert type(await failure_of(client)) is Uncertain
    assert len(server.requests) == 1


async def test_silent_server_is_uncertain_after_the_call_time(
    server: RawServer, client: TelegramClient
) -> None:
    """A call ends at its own total time, not at the client's, and is uncertain."""
    server.behaviour = hang
    started = time.monotonic()
    error = await failure_of(client)
    assert type(error) is Uncertain
    assert 0.28 <= time.monotonic() - started < 5


async def test_long_poll_may_take_its_time_plus_the_margin(server: RawServer, client: TelegramClient) -> None:
    """`getUpdates` waits for the poll's own time first; 0.3 s, a call's time, is not its limit."""

    async def answer_late(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        await ok([])(request, writer)

    server.behaviour = answer_late
    assert await client.call(GetUpdates(timeout=1, allowed_updates=[])) == []


async def test_redirects_are_not_followed(server: RawServer, client: TelegramClient) -> None:
    """The token is never carried to another address."""
    server.behaviour = reply(b"", "302 Found", f"Location: {server.address}/elsewhere\r\n")
    error = await failure_of(client)
    assert type(error) is TelegramUnavailable
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno"),
        hang,
        refused(400, f"Bad Request: https://api.telegram.org/bot{TOKEN}/sendMessage is odd"),
        reply(b"no json"),
    ],
    ids=["not HTTP", "broken body", "hang", "echoed", "no json"],
)
async def test_the_token_is_never_told(
    server: RawServer, client: TelegramClient, answer: Behaviour, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither message, repr, traceback with its whole chain, nor any log contains the token's secret."""
    server.behaviour = answer
    with caplog.at_level(logging.DEBUG):
        error = await failure_of(client)
    told = io.StringIO()
    traceback.print_exception(error, file=told)
    texts = [str(error), repr(error), repr(client), told.getvalue(), caplog.text, repr(vars(error))]
    assert not any("very-secret_half" in text for text in texts)
    assert error.__context__ is None
    assert error.__cause__ is None


@pytest.mark.parametrize(
    ("token", "base_url"),
    [
        ("", "https://x.org"),
        ("nonsense", "https://x.org"),
        (TOKEN + "/../", "https://x.org"),
        (TOKEN, "x.org"),
    ],
)
async def test_client_refuses_what_cannot_work(
    session: aiohttp.ClientSession, token: str, base_url: str
) -> None:
    """A token or address that cannot be meant is named by its variable, without the token."""
    with pytest.raises(SettingsError, match="TELEGRAM_") as caught:
        TelegramClient(token, session, base_url=base_url)
    assert "very-secret" not in str(caught.value)


async def test_get_me_reads_who_the_bot_is(server: RawServer, client: TelegramClient) -> None:
    """The reply to `getMe` becomes a user."""
    server.behaviour = ok({"id": 42, "is_bot": True, "first_name": "Wire", "username": "wire_bot"})
    me = await client.call(GetMe())
    assert (me.id, me.username, client.bot_id) == (42, "wire_bot", 42)
