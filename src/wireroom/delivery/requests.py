"""The calls of the Bot API that show a delivery: placeholders, and the edits that fill them. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from wireroom.delivery.outgoing import Outgoing, StoredPart
from wireroom.delivery.parts import DocumentPart, FilePart, RichPart, TextPart, VoicePart
from wireroom.telegram.methods import EditMessageMedia, EditMessageText, Method, SendMessage, SendVoice
from wireroom.telegram.types import (
    Attachment,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputRichMessage,
    ReplyParameters,
)


def placeholder(out: Outgoing, seq: int) -> SendMessage:
    """Return the call that makes the message in which part `seq` will appear."""
    # Other messages may stand between the parts by now: each further one points at the first.
    answered = out.reply_to if seq == 0 else out.parts[0].message_id
    return SendMessage(
        chat_id=out.chat_id,
        text=out.opening if seq == 0 else "…",
        message_thread_id=out.thread_id,
        reply_parameters=ReplyParameters(message_id=answered) if answered else None,
        disable_notification=seq > 0,
    )


def voice_message(out: Outgoing, voice: VoicePart) -> SendVoice:
    """Return the call that sends the voice message."""
    return SendVoice(
        chat_id=out.chat_id,
        voice=Attachment(f"answer.{voice.form.suffix}", voice.content, voice.form.value),
        duration=voice.seconds,
        message_thread_id=out.thread_id,
        reply_parameters=ReplyParameters(message_id=out.reply_to) if out.reply_to else None,
        # The text has rung already.
        disable_notification=True,
    )


def content_edit(out: Outgoing, part: StoredPart, *, plain: bool) -> Method[Any]:
    """Return the call that turns the placeholder into the part's content; `plain` leaves formatting out.

    A photo that is to be plain is a document.
    """
    message_id = part.message_id or 0
    last = part.seq == len(out.parts) - 1
    markup = _markup(out.buttons) if last and out.buttons else None
    match part.content:
        case DocumentPart() as document:
            return EditMessageMedia(
                chat_id=out.chat_id,
                message_id=message_id,
                document=Attachment(document.file_name, document.content, document.content_type),
                reply_markup=markup,
            )
        case FilePart() as file:
            as_photo = file.image_type is not None and not plain
            return EditMessageMedia(
                chat_id=out.chat_id,
                message_id=message_id,
                kind="photo" if as_photo else "document",
                document=Attachment(
                    file.file_name, b"", file.image_type or "application/octet-stream", path=file.path
                ),
                reply_markup=markup,
            )
        case RichPart(blocks=blocks):
            return EditMessageText(
                chat_id=out.chat_id,
                message_id=message_id,
                rich_message=InputRichMessage(blocks),
                link_preview_options=msgspec.UNSET,
                reply_markup=markup,
            )
        case TextPart() as text:
            return EditMessageText(
                chat_id=out.chat_id,
                message_id=message_id,
                text=text.plain if plain else text.text,
                entities=() if plain else text.entities,
                reply_markup=markup,
            )
    raise AssertionError("a part is filled only once it has content")


def _markup(rows: list[list[dict[str, str]]]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup(
        inline_keyboard=[
            [InlineKeyboardButton(text=button["text"], callback_data=button["data"]) for button in row]
            for row in rows
        ]
    )
