"""Every request we build, held against a complete model of the Bot API."""

from __future__ import annotations

from typing import Any

import aiogram.methods
import msgspec
import pytest
from aiogram.types import BufferedInputFile
from aiogram.types import User as ModelUser
from aiogram.types import WebhookInfo as ModelWebhookInfo

from wireroom.telegram.encoding import encode
from wireroom.telegram.methods import (
    AnswerCallbackQuery,
    CloseForumTopic,
    CreateForumTopic,
    DeleteMessage,
    DeleteWebhook,
    EditForumTopic,
    EditMessageMedia,
    EditMessageText,
    GetFile,
    GetMe,
    GetUpdates,
    GetWebhookInfo,
    Method,
    ReopenForumTopic,
    SendChatAction,
    SendDocument,
    SendMessage,
    SendMessageDraft,
    SendRichMessageDraft,
    SendVoice,
    SetMyCommands,
    SetWebhook,
)
from wireroom.telegram.types import (
    Attachment,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichMessage,
    MessageEntity,
    ReplyParameters,
    User,
    WebhookInfo,
    to_wire,
)

KEYBOARD = InlineKeyboardMarkup(
    [
        [InlineKeyboardButton("Allow once", callback_data="allow:1"), InlineKeyboardButton("Deny", "deny:1")],
        [InlineKeyboardButton("Docs", url="https://example.org/")],
    ]
)
ENTITIES = (
    MessageEntity("bold", 0, 2),
    MessageEntity("pre", 3, 4, language="python"),
    MessageEntity("text_link", 8, 4, url="https://example.org/"),
)
RICH = InputRichMessage(
    (
        {"type": "paragraph", "text": ["see ", {"type": "url", "text": "x", "url": "https://example.org/"}]},
        {"type": "table", "cells": [[{"text": "a", "align": "left", "valign": "top", "is_header": True}]]},
    )
)
FILE = Attachment("answer.md", b"# Answer", "text/markdown")

REQUESTS: list[Method[Any]] = [
    GetMe(),
    GetUpdates(timeout=50, allowed_updates=["message", "callback_query"]),
    GetUpdates(offset=7, timeout=0, allowed_updates=[], limit=10),
    SetWebhook(url="https://example.org/hook"),
    SetWebhook(
        url="https://example.org/hook",
        secret_token="s-3_cret",
        allowed_updates=["message"],
        max_connections=40,
        drop_pending_updates=True,
    ),
    GetWebhookInfo(),
    DeleteWebhook(),
    DeleteWebhook(drop_pending_updates=True),
    SendMessage(chat_id=5, text="hi"),
    SendMessage(
        chat_id=-100,
        text="hi code link",
        entities=ENTITIES,
        reply_parameters=ReplyParameters(9),
        message_thread_id=3,
        reply_markup=KEYBOARD,
        disable_notification=True,
    ),
    SendMessage(chat_id=5, text="<b>hi</b>", parse_mode="HTML"),
    EditMessageText(chat_id=5, message_id=8, text="hi code link", entities=ENTITIES, reply_markup=KEYBOARD),
    EditMessageText(
        chat_id=5,
        message_id=8,
        rich_message=RICH,
        link_preview_options=msgspec.UNSET,
        reply_markup=KEYBOARD,
    ),
    SendMessageDraft(chat_id=5, draft_id=3),
    SendMessageDraft(
        chat_id=5,
        draft_id=3,
        text="hi code link",
        entities=ENTITIES,
        message_thread_id=4,
        can_stop=True,
        keep_on_stop=True,
    ),
    SendRichMessageDraft(
        chat_id=5, draft_id=3, rich_message=RICH, message_thread_id=4, can_stop=True, keep_on_stop=True
    ),
    DeleteMessage(chat_id=5, message_id=8),
    SendChatAction(chat_id=5, action="typing", message_thread_id=3),
    AnswerCallbackQuery(callback_query_id="77", text="Done", show_alert=True),
    SetMyCommands(commands=(BotCommand("stop", "Stop the run"), BotCommand("new", "New conversation"))),
    GetFile(file_id="AgAD"),
    CreateForumTopic(chat_id=-100, name="Shop"),
    EditForumTopic(chat_id=-100, message_thread_id=3, name="Till"),
    CloseForumTopic(chat_id=-100, message_thread_id=3),
    ReopenForumTopic(chat_id=-100, message_thread_id=3),
]


def _without_defaults(model: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = model.model_dump(mode="json", exclude_unset=True, warnings=False)
    return dumped


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_request_is_a_bot_api_request(request_: Method[Any]) -> None:
    """The model of the method accepts our fields, all of them, and gives the same back."""
    encoded = encode(request_)
    fields = msgspec.json.decode(msgspec.json.encode(encoded.fields))
    model = getattr(aiogram.methods, type(request_).__name__)
    assert model.__api_method__ == encoded.api_name
    assert set(fields) <= set(model.model_fields)
    assert _without_defaults(model.model_validate(fields)) == fields


def test_send_document_fields_are_a_bot_api_request() -> None:
    """The file travels beside the fields, which the model accepts together with it."""
    request = SendDocument(
        chat_id=5,
        document=FILE,
        caption="Everything",
        reply_parameters=ReplyParameters(9),
        message_thread_id=3,
        reply_markup=KEYBOARD,
    )
    encoded = encode(request)
    model = aiogram.methods.SendDocument(
        **encoded.fields, document=BufferedInputFile(FILE.content, filename=FILE.file_name)
    )
    dumped = model.model_dump(mode="json", exclude_unset=True, exclude={"document"}, warnings=False)
    assert dumped == encoded.fields
    assert encoded.upload == FILE


def test_send_voice_fields_are_a_bot_api_request() -> None:
    """The sound travels beside the fields, under a name of its own."""
    sound = Attachment("answer.ogg", b"OggS", "audio/ogg")
    request = SendVoice(
        chat_id=5,
        voice=sound,
        duration=3,
        caption="Spoken",
        reply_parameters=ReplyParameters(9),
        message_thread_id=3,
        disable_notification=True,
    )
    encoded = encode(request)
    model = aiogram.methods.SendVoice(
        **encoded.fields, voice=BufferedInputFile(sound.content, filename=sound.file_name)
    )
    dumped = model.model_dump(mode="json", exclude_unset=True, exclude={"voice"}, warnings=False)
    assert dumped == encoded.fields
    assert (encoded.upload, encoded.upload_field) == (sound, "voice")


@pytest.mark.parametrize("caption", [None, "Everything"])
def test_edit_message_media_points_at_the_uploaded_file(caption: str | None) -> None:
    """The media is a document that names the form field of the upload."""
    encoded = encode(EditMessageMedia(chat_id=5, message_id=8, document=FILE, caption=caption))
    model = aiogram.methods.EditMessageMedia.model_validate(encoded.fields)
    assert _without_defaults(model) == encoded.fields
    assert type(model.media).__name__ == "InputMediaDocument"
    assert encoded.fields["media"]["media"] == "attach://document"
    assert encoded.upload == FILE


def test_edit_message_media_can_be_a_photo_from_the_disk() -> None:
    """The file is named by its path, to be read while it is sent; the model sees a photo."""
    file = Attachment("chart.png", b"", "image/png", path="/data/chart.png")
    encoded = encode(EditMessageMedia(chat_id=5, message_id=8, document=file, kind="photo"))
    model = aiogram.methods.EditMessageMedia.model_validate(encoded.fields)
    assert _without_defaults(model) == encoded.fields
    assert type(model.media).__name__ == "InputMediaPhoto"
    assert encoded.upload == file


def test_requests_leave_defaults_out() -> None:
    """A short message is a short request: only what differs from Telegram's defaults is sent."""
    assert encode(SendMessage(chat_id=5, text="hi")).fields == {
        "chat_id": 5,
        "text": "hi",
        "link_preview_options": {"is_disabled": True},
    }


@pytest.mark.parametrize(
    ("ours", "model"),
    [
        (User(1, is_bot=True, first_name="Wire", username="wire_bot"), ModelUser),
        (
            WebhookInfo("https://example.org", 2, 1_700_000_000, "timeout", 40, ["message"]),
            ModelWebhookInfo,
        ),
    ],
    ids=["user", "webhook info"],
)
def test_replies_have_the_fields_of_the_bot_api(ours: Any, model: Any) -> None:
    """Every field that we read from a reply is one that the Bot API has."""
    assert set(to_wire(ours)) <= set(model.model_fields)
