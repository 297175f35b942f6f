"""The client, the renderer and the splitter against a server that behaves as the Bot API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest

from wireroom.delivery.parts import DocumentPart, TextPart
from wireroom.delivery.render import render
from wireroom.delivery.split import as_parts, split
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import (
    BotAPIError,
    FloodWait,
    Forbidden,
    MessageGone,
    NotModified,
    TelegramUnavailable,
    Uncertain,
)
from wireroom.telegram.methods import (
    AnswerCallbackQuery,
    DeleteMessage,
    DeleteWebhook,
    EditMessageMedia,
    EditMessageText,
    GetFile,
    GetMe,
    GetUpdates,
    GetWebhookInfo,
    SendChatAction,
    SendDocument,
    SendMessage,
    SetMyCommands,
    SetWebhook,
)
from wireroom.telegram.types import (
    Attachment,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    ReplyParameters,
    to_wire,
)
from wireroom.testing.bot_api import (
    BotAPIServer,
    Chat,
    DropAfter,
    DropBefore,
    Fault,
    Garble,
    blocked,
    broken,
    flooded,
)

ANSWER = """# Fixed `parse` 😀

The **bug** was in *`Vec<String>`* ([code](https://example.org/a?b=1&c=2), [src/a.rs](src/a.rs#L3)):

- [x] one
  1. two
- three & <four>

> quoted `code`

```rust
fn main() { println!("<&>"); }
```

| File | Lines |
|---|---:|
| `a.rs` | 10 |
"""


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """A started server."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def client(telegram: BotAPIServer) -> AsyncIterator[TelegramClient]:
    """A client of it."""
    async with aiohttp.ClientSession() as session:
        yield TelegramClient(telegram.token, session, base_url=telegram.url)


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """A private chat."""
    return telegram.private_chat(telegram.user(7))


@pytest.mark.parametrize("limit", [4096, 40, 9], ids=["whole", "in parts", "in crumbs"])
async def test_rendered_parts_are_shown_as_meant(
    telegram: BotAPIServer, client: TelegramClient, ada: Chat, limit: int
) -> None:
    """Every part is accepted, and text and formatting arrive unchanged."""
    parts = split(render(ANSWER), limit)
    for part in parts:
        await client.call(SendMessage(chat_id=ada.id, text=part.text, entities=part.entities))
    seen = telegram.visible(ada)
    assert [message.text.strip() for message in seen] == [part.text.strip() for part in parts]
    assert seen[0].entities == tuple(to_wire(entity) for entity in parts[0].entities)


async def test_placeholder_becomes_the_answer_and_the_document(
    telegram: BotAPIServer, client: TelegramClient, ada: Chat
) -> None:
    """A text placeholder is edited into the excerpt, another into the uploaded file."""
    head, document = as_parts("word " * 5000)
    assert isinstance(head, TextPart)
    assert isinstance(document, DocumentPart)
    first, second = [await client.call(SendMessage(chat_id=ada.id, text="Working")) for _ in range(2)]
    file = Attachment(document.file_name, document.content, document.content_type)
    await client.call(EditMessageText(chat_id=ada.id, message_id=first.message_id, text=head.text))
    await client.call(EditMessageMedia(chat_id=ada.id, message_id=second.message_id, document=file))
    shown = telegram.visible(ada)
    assert shown[0].text == head.text
    assert (shown[1].document_name, shown[1].document) == ("answer.md", b"word " * 5000)


async def test_sent_document_can_be_fetched_back(
    telegram: BotAPIServer, client: TelegramClient, ada: Chat, tmp_path: Path
) -> None:
    """A file that a person sends is found by its id and downloaded byte for byte."""
    await telegram.user_sends_document(ada, "notes.txt", b"\x00notes\xff")
    [update] = await client.call(GetUpdates(timeout=0, allowed_updates=["message"]))
    file_id = msgspec.json.decode(update)["message"]["document"]["file_id"]
    file = await client.call(GetFile(file_id=file_id))
    assert file.file_path is not None
    size = await client.download(file.file_path, tmp_path / "notes.txt", max_bytes=1000)
    assert (tmp_path / "notes.txt").read_bytes() == b"\x00notes\xff"
    assert size == 7


@pytest.mark.parametrize(
    ("fault", "kind", "acted"),
    [
        (DropBefore(), Uncertain, False),
        (DropAfter(), Uncertain, True),
        (Garble(), Uncertain, True),
        (broken(), TelegramUnavailable, False),
        (blocked(), Forbidden, False),
        (flooded(30), FloodWait, False),
    ],
    ids=["drop before", "drop after", "garbled", "500", "blocked", "flooded"],
)
async def test_only_uncertain_leaves_open_whether_it_was_sent(
    *,
    telegram: BotAPIServer,
    client: TelegramClient,
    ada: Chat,
    fault: Fault,
    kind: type[BotAPIError],
    acted: bool,
) -> None:
    """Whenever the message is there in spite of the error, the error is `Uncertain`."""
    telegram.fault(fault, method="sendMessage")
    with pytest.raises(BotAPIError) as caught:
        await client.call(SendMessage(chat_id=ada.id, text="hi"))
    assert type(caught.value) is kind
    assert telegram.seen_texts(ada) == (["hi"] if acted else [])


async def test_edits_that_cannot_work_are_told_apart(client: TelegramClient, ada: Chat) -> None:
    """The same text again is not modified; a deleted message is gone."""
    sent = await client.call(SendMessage(chat_id=ada.id, text="hi"))
    again = EditMessageText(chat_id=ada.id, message_id=sent.message_id, text="hi")
    with pytest.raises(NotModified):
        await client.call(again)
    assert await client.call(DeleteMessage(chat_id=ada.id, message_id=sent.message_id)) is True
    with pytest.raises(MessageGone):
        await client.call(again)


async def test_answer_to_a_deleted_message_is_sent_all_the_same(
    telegram: BotAPIServer, client: TelegramClient, ada: Chat
) -> None:
    """A reply does not fail because its question was deleted; its buttons and thread are kept."""
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="stop")]])
    await client.call(
        SendMessage(chat_id=ada.id, text="hi", reply_parameters=ReplyParameters(999), reply_markup=keyboard)
    )
    [seen] = telegram.visible(ada)
    assert seen.reply_to is None
    assert seen.button("Stop").data == "stop"


async def test_every_other_method_is_understood(
    telegram: BotAPIServer, client: TelegramClient, ada: Chat
) -> None:
    """The calls around the messages do what they say."""
    assert (await client.call(GetMe())).id == client.bot_id
    assert await client.call(SendChatAction(chat_id=ada.id, action="typing")) is True
    assert await client.call(SetMyCommands(commands=(BotCommand("stop", "Stop the run"),))) is True
    assert telegram.commands == [{"command": "stop", "description": "Stop the run"}]
    document = SendDocument(chat_id=ada.id, document=Attachment("a.txt", b"x"), caption="All")
    sent = await client.call(document)
    assert telegram.message(ada, sent.message_id).document == b"x"
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("Go", callback_data="go")]])
    asked = await client.call(SendMessage(chat_id=ada.id, text="?", reply_markup=keyboard))
    await telegram.user_presses(telegram.message(ada, asked.message_id).button("Go"))
    [update] = await client.call(GetUpdates(timeout=0, allowed_updates=["callback_query"]))
    query_id = msgspec.json.decode(update)["callback_query"]["id"]
    assert await client.call(AnswerCallbackQuery(callback_query_id=query_id, text="Done")) is True


async def test_webhook_is_set_looked_at_and_taken_away(client: TelegramClient) -> None:
    """The admin's three calls."""
    hook = SetWebhook(url="https://example.org/hook", secret_token="s3cret", allowed_updates=["message"])
    assert await client.call(hook) is True
    assert (await client.call(GetWebhookInfo())).url == "https://example.org/hook"
    assert await client.call(DeleteWebhook(drop_pending_updates=True)) is True
    assert (await client.call(GetWebhookInfo())).url == ""
