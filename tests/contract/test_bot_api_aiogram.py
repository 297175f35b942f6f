"""The Bot API server against aiogram: its client calls every method, its models read every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.enums import ParseMode
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaDocument,
    InputMediaPhoto,
    InputRichBlockList,
    InputRichBlockListItem,
    InputRichBlockParagraph,
    InputRichBlockSectionHeading,
    InputRichBlockTable,
    InputRichBlockThinking,
    InputRichMessage,
    Message,
    MessageEntity,
    MessageOriginUser,
    ReactionTypeEmoji,
    ReplyParameters,
    RichBlockTableCell,
    RichMessage,
    Update,
)

from wireroom.testing.bot_api import BotAPIServer, Chat, Piece, blocked, flooded
from wireroom.testing.bot_api.attachments import MAX_PHOTO_BYTES


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Give a started server."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def bot(telegram: BotAPIServer) -> AsyncIterator[Bot]:
    """Give aiogram's client, pointed at the server."""
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.url))
    async with Bot(telegram.token, session=session) as client:
        yield client


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Give a private chat."""
    return telegram.private_chat(telegram.user(7, "Ada", "ada"))


async def test_aiogram_writes_edits_and_deletes(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """sendMessage, editMessageText, editMessageReplyMarkup and deleteMessage through aiogram."""
    assert (await bot.get_me()).id == telegram.bot.id
    asked = telegram.message_id_of(await telegram.user_says(ada, "hello"))
    keyboard = InlineKeyboardMarkup(inline_keyboard=[[InlineKeyboardButton(text="Stop", callback_data="s")]])
    sent = await bot.send_message(
        7,
        "<b>😀 working</b>",
        parse_mode=ParseMode.HTML,
        reply_parameters=ReplyParameters(message_id=asked),
        reply_markup=keyboard,
    )
    assert sent.reply_to_message is not None
    assert sent.reply_to_message.text == "hello"
    assert sent.html_text == "<b>😀 working</b>"
    assert sent.reply_markup is not None
    assert sent.reply_markup.model_dump() == keyboard.model_dump()
    entity = MessageEntity(type="code", offset=0, length=4)
    edited = await bot.edit_message_text("done", chat_id=7, message_id=sent.message_id, entities=[entity])
    assert isinstance(edited, Message)
    assert edited.html_text == "<code>done</code>"
    assert edited.reply_markup is None
    marked = await bot.edit_message_reply_markup(chat_id=7, message_id=sent.message_id, reply_markup=keyboard)
    assert isinstance(marked, Message)
    assert marked.reply_markup is not None
    assert marked.reply_markup.model_dump() == keyboard.model_dump()
    assert await bot.delete_message(7, sent.message_id)
    assert [message.text for message in telegram.visible(ada)] == ["hello"]


async def test_aiogram_sends_and_fetches_files(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """sendDocument, sendVoice, editMessageMedia on a text, getFile and the download through aiogram."""
    sent = await bot.send_document(
        7, BufferedInputFile(b"a,b\n", "table.csv"), caption="_x_", parse_mode="MarkdownV2"
    )
    assert sent.document is not None
    assert (sent.document.file_name, sent.document.file_size) == ("table.csv", 4)
    assert sent.caption_entities is not None
    file = await bot.get_file(sent.document.file_id)
    assert file.file_path is not None
    fetched = await bot.download_file(file.file_path)
    assert fetched is not None
    assert fetched.read() == b"a,b\n"
    voice = await bot.send_voice(7, BufferedInputFile(b"OggS", "answer.ogg"), duration=3)
    assert voice.voice is not None
    assert voice.voice.duration == 3
    text = await bot.send_message(7, "working")
    media = InputMediaDocument(media=BufferedInputFile(b"log", "log.txt"), caption="all of it")
    turned = await bot.edit_message_media(media, chat_id=7, message_id=text.message_id)
    assert isinstance(turned, Message)
    assert turned.document is not None
    assert [message.document for message in telegram.visible(ada)] == [b"a,b\n", None, b"log"]
    assert telegram.visible(ada)[1].voice == b"OggS"


async def test_aiogram_sends_photos_and_albums_within_their_limits(
    telegram: BotAPIServer, bot: Bot, ada: Chat
) -> None:
    """sendPhoto, sendMediaGroup, editMessageMedia with a photo; captions, sizes, numbers are limited."""
    jpeg = b"\xff\xd8\xff picture"
    sent = await bot.send_photo(7, BufferedInputFile(jpeg, "a.jpg"), caption="x" * 1024)
    assert sent.photo is not None
    assert sent.photo[-1].width > sent.photo[0].width
    album = [InputMediaPhoto(media=BufferedInputFile(jpeg, f"{number}.jpg")) for number in range(3)]
    pieces = await bot.send_media_group(7, list(album))
    assert len({piece.media_group_id for piece in pieces}) == 1
    text = await bot.send_message(7, "working")
    turned = await bot.edit_message_media(album[0], chat_id=7, message_id=text.message_id)
    assert isinstance(turned, Message)
    assert turned.photo
    assert [message.photo for message in telegram.visible(ada)] == [jpeg] * 5
    for call in (
        bot.send_photo(7, BufferedInputFile(jpeg, "a.jpg"), caption="x" * 1025),
        bot.send_photo(7, BufferedInputFile(b"no picture", "a.jpg")),
        bot.send_photo(7, BufferedInputFile(jpeg + b"x" * MAX_PHOTO_BYTES, "a.jpg")),
        bot.send_media_group(7, [album[0]]),
        bot.send_media_group(7, [album[0]] * 11),
    ):
        with pytest.raises(TelegramBadRequest):
            await call
    assert len(telegram.visible(ada)) == 5


async def test_aiogram_reads_pictures_albums_forwards_and_quotes(telegram: BotAPIServer, ada: Chat) -> None:
    """What people send comes as aiogram's updates, sizes and origins included."""
    ids = await telegram.user_sends_album(ada, [Piece(b"1", "all"), Piece(b"2", name="b.txt")])
    ids.append(await telegram.user_forwards(ada, "news", telegram.user(9, "Bob")))
    first = telegram.message_id_of(ids[0])
    ids.append(await telegram.user_quotes(ada, "why?", first, "al"))
    messages = [Update.model_validate(telegram.update(one)).message for one in ids]
    photo, document, forwarded, quoting = (message for message in messages if message)
    assert photo.photo is not None
    assert photo.media_group_id == document.media_group_id
    assert (photo.caption, len(photo.photo)) == ("all", 2)
    assert isinstance(forwarded.forward_origin, MessageOriginUser)
    assert forwarded.forward_origin.sender_user.id == 9
    assert quoting.quote is not None
    assert quoting.quote.text == "al"


async def test_aiogram_sets_what_surrounds_messages(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """sendChatAction, sendMessageDraft, setMessageReaction and setMyCommands through aiogram."""
    asked = telegram.message_id_of(await telegram.user_says(ada, "go"))
    assert await bot.send_chat_action(7, "typing")
    assert await bot.send_message_draft(chat_id=7, draft_id=1, text="thinking")
    assert await bot.set_message_reaction(7, asked, [ReactionTypeEmoji(emoji="👍")])
    assert await bot.set_my_commands([BotCommand(command="stop", description="Stop the run")])
    assert telegram.message(ada, asked).reactions == ("👍",)
    assert telegram.commands == [{"command": "stop", "description": "Stop the run"}]
    assert telegram.calls_of("sendChatAction", ada)[0].params["action"] == "typing"


async def test_aiogram_sends_and_edits_rich_messages(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """sendRichMessage, editMessageText with blocks in both directions, and what aiogram reads of them."""
    cell = RichBlockTableCell(text="a", align="left", valign="top")
    item = InputRichBlockListItem(
        blocks=[InputRichBlockParagraph(text="done")], has_checkbox=True, is_checked=True
    )
    table = InputRichMessage(blocks=[InputRichBlockTable(cells=[[cell, cell]])])
    sent = await bot.send_rich_message(
        7, InputRichMessage(blocks=[InputRichBlockSectionHeading(text="Plan", size=2)])
    )
    assert isinstance(sent.rich_message, RichMessage)
    edited = await bot.edit_message_text(chat_id=7, message_id=sent.message_id, rich_message=table)
    assert isinstance(edited, Message)
    assert telegram.message(ada, sent.message_id).text == "a\ta"
    plan = InputRichMessage(blocks=[InputRichBlockList(items=[item])])
    assert await bot.edit_message_text(chat_id=7, message_id=sent.message_id, rich_message=plan)
    assert telegram.message(ada, sent.message_id).text == "✅ done"
    assert await bot.edit_message_text("plain", chat_id=7, message_id=sent.message_id)
    assert telegram.message(ada, sent.message_id).blocks == ()


async def test_aiogram_reads_that_a_draft_was_stopped(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """A rich draft shows thinking and a button, whose press comes as aiogram's update."""
    thinking = InputRichMessage(blocks=[InputRichBlockThinking(text="reading")])
    assert await bot.send_rich_message_draft(7, 5, thinking, can_stop=True, keep_on_stop=True)
    [draft] = telegram.drafts(ada)
    await telegram.user_stops(draft)
    [update] = await bot.get_updates(timeout=1, allowed_updates=["stopped_message_generation"])
    assert update.stopped_message_generation is not None
    assert (update.stopped_message_generation.chat.id, update.stopped_message_generation.draft_id) == (7, 5)
    assert telegram.drafts(ada) == [draft]


async def test_aiogram_reads_every_update(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """Messages, edits, files, voice, topics and presses come as aiogram's updates."""
    forum = telegram.group("team", forum=True)
    thread = telegram.topic(forum, "builds")
    asked = telegram.message_id_of(await telegram.user_says(ada, "/start now"))
    await telegram.user_edits(ada, asked, "hello again")
    await telegram.user_says(forum, "in a topic", user=telegram.user(8, "Bob"), thread=thread)
    await telegram.user_sends_document(ada, "x.txt", b"x", caption="look", reply_to=asked)
    await telegram.user_sends_voice(ada, b"OggS", duration_seconds=2)
    updates = await bot.get_updates(timeout=1)
    messages = [update.message or update.edited_message for update in updates]
    assert [message.text or message.caption for message in messages if message] == [
        *("/start now", "hello again", "in a topic", "look", None)
    ]
    first, edited, topical, document, voice = (message for message in messages if message)
    assert first.entities is not None
    assert first.entities[0].type == "bot_command"
    assert edited.edit_date is not None
    assert (topical.message_thread_id, topical.is_topic_message, topical.chat.is_forum) == (
        thread,
        True,
        True,
    )
    assert document.reply_to_message is not None
    assert voice.voice is not None
    assert [update.update_id for update in updates] == sorted(update.update_id for update in updates)


async def test_aiogram_answers_a_press(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """callback_query and answerCallbackQuery through aiogram; a button that went cannot be pressed."""
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text="Stop", callback_data="s:1")]]
    )
    await bot.send_message(7, "working", reply_markup=keyboard)
    button = telegram.visible(ada)[0].button("Stop")
    pressed = Update.model_validate(telegram.update(await telegram.user_presses(button)))
    assert pressed.callback_query is not None
    assert pressed.callback_query.data == "s:1"
    assert await bot.answer_callback_query(pressed.callback_query.id, "stopped", show_alert=True)
    assert telegram.callback_answers == {pressed.callback_query.id: {"text": "stopped", "show_alert": True}}
    await bot.edit_message_text("stopped", chat_id=7, message_id=button.message_id)
    with pytest.raises(LookupError, match="not under message"):
        await telegram.user_presses(button)


async def test_aiogram_manages_the_webhook(bot: Bot) -> None:
    """setWebhook, getWebhookInfo and deleteWebhook through aiogram."""
    await bot.set_webhook(
        "http://127.0.0.1:9/hook", secret_token="s3cret", max_connections=5, allowed_updates=["message"]
    )
    info = await bot.get_webhook_info()
    assert (info.url, info.max_connections, info.allowed_updates) == (
        "http://127.0.0.1:9/hook",
        5,
        ["message"],
    )
    assert await bot.delete_webhook(drop_pending_updates=True)
    assert (await bot.get_webhook_info()).url == ""


async def test_aiogram_knows_the_errors(telegram: BotAPIServer, bot: Bot, ada: Chat) -> None:
    """A 429 carries its wait, a 403 and a 401 are told apart."""
    telegram.fault(flooded(30), method="sendMessage", chat=ada)
    with pytest.raises(TelegramRetryAfter) as wait:
        await bot.send_message(7, "x")
    assert wait.value.retry_after == 30
    telegram.fault(blocked(), chat=ada)
    with pytest.raises(TelegramForbiddenError):
        await bot.send_message(7, "x")
    stranger = Bot("1:other", session=bot.session)
    with pytest.raises(TelegramUnauthorizedError):
        await stranger.get_me()
