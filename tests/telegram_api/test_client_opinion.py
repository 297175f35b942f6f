"""Our requests as an emulator reads them that others wrote, and its answers as our client reads them."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from telegram_api.emulator import TOKEN, Emulator
from wireroom.delivery.parts import TextPart
from wireroom.delivery.split import as_parts
from wireroom.intake.update import Pressed, Said, read_update
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import Rejected, Uncertain
from wireroom.telegram.methods import (
    AnswerCallbackQuery,
    DeleteMessage,
    DeleteWebhook,
    EditMessageText,
    GetMe,
    GetUpdates,
    SendChatAction,
    SendMessage,
    SetWebhook,
)
from wireroom.telegram.types import InlineKeyboardButton, InlineKeyboardMarkup, ReplyParameters, to_wire
from wireroom.testing.eventually import eventually

KEYBOARD = InlineKeyboardMarkup([[InlineKeyboardButton("Stop", callback_data="w:stop:1")]])


@pytest.fixture
async def client(emulator: Emulator) -> TelegramClient:
    """Point our client at the emulator."""
    return TelegramClient(TOKEN, emulator.http, emulator.address)


async def test_answer_is_sent_edited_and_deleted(emulator: Emulator, client: TelegramClient) -> None:
    """Text, entities, keyboard and reply arrive as meant; an edit and a deletion have their effect."""
    assert (await client.call(GetMe())).username == "TestNameBot"
    (part,) = as_parts("**Done** in `app.py` 😀")
    assert isinstance(part, TextPart)
    sent = await client.call(
        SendMessage(
            chat_id=7,
            text=part.text,
            entities=part.entities,
            reply_markup=KEYBOARD,
            reply_parameters=ReplyParameters(message_id=1),
        )
    )
    assert sent.chat.id == 7
    shown = (await emulator.shown())[sent.message_id]
    assert (shown["text"], shown["entities"]) == ("Done in app.py 😀", list(to_wire(part.entities)))
    assert shown["reply_markup"]["inline_keyboard"][0][0] == {"text": "Stop", "callback_data": "w:stop:1"}
    assert shown["reply_parameters"]["message_id"] == 1

    assert await client.call(EditMessageText(chat_id=7, message_id=sent.message_id, text="Undone"))
    assert (await emulator.shown())[sent.message_id]["text"] == "Undone"
    gone = DeleteMessage(chat_id=7, message_id=sent.message_id)
    assert await client.call(gone)
    assert await emulator.shown() == {}
    with pytest.raises(Rejected, match="wasn't found"):
        await client.call(gone)


async def test_updates_are_fetched_and_a_press_is_answered(
    emulator: Emulator, client: TelegramClient
) -> None:
    """A message and a press by other hands than ours are read, in their order."""
    await emulator.say("hello")
    await emulator.press(1, "w:stop:1")
    raw = await client.call(GetUpdates(timeout=0, allowed_updates=["message", "callback_query"]))
    said, pressed = (read_update(bytes(one)) for one in raw)
    assert isinstance(said, Said)
    assert (said.text, said.speaker.user_id, said.place.chat_id) == ("hello", 7, 7)
    assert isinstance(pressed, Pressed)
    assert (pressed.data, pressed.speaker.name) == ("w:stop:1", "Ada")
    assert pressed.update_id > said.update_id
    assert await client.call(AnswerCallbackQuery(callback_query_id=pressed.callback_id))


async def test_updates_are_pushed_to_a_webhook_until_it_is_deleted(
    emulator: Emulator, client: TelegramClient
) -> None:
    """The address that we set gets the update itself, as JSON; afterwards polling gets the next."""
    pushed: list[bytes] = []

    async def receive(request: web.Request) -> web.Response:
        pushed.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    async with TestServer(app) as receiver:
        url = str(receiver.make_url("/hook"))
        assert await client.call(SetWebhook(url=url, secret_token="s", allowed_updates=["message"]))
        await emulator.say("pushed")
        await eventually(lambda: pushed, "the update is pushed")
        said = read_update(pushed[0])
        assert isinstance(said, Said)
        assert said.text == "pushed"
        assert await client.call(DeleteWebhook())
        await emulator.say("fetched")
        (raw,) = await client.call(GetUpdates(timeout=0, allowed_updates=["message"]))
    fetched = read_update(bytes(raw))
    assert isinstance(fetched, Said)
    assert fetched.text == "fetched"
    assert len(pushed) == 1


async def test_unknown_method_is_an_error_that_says_so(client: TelegramClient) -> None:
    """A 500 without Telegram's fields may have been acted on, for all we know."""
    with pytest.raises(Uncertain) as caught:
        await client.call(SendChatAction(chat_id=7, action="typing"))
    assert caught.value.status == 500
