"""What a person sees on their screen: snapshots, detached from the server's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wireroom.testing.bot_api.model import AttachmentKind, Message


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button under a message."""

    chat_id: int
    message_id: int
    text: str
    data: str | None
    """`callback_data`; None for a button that does something else."""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message as a person sees it now."""

    id: int
    chat_id: int
    sender_id: int
    from_bot: bool
    text: str
    """Plain text after entity parsing; the caption when there is a document or voice."""
    entities: tuple[dict[str, Any], ...]
    document_name: str | None
    document: bytes | None
    voice: bytes | None
    photo: bytes | None
    edits: int
    """How often its content was edited."""
    reply_to: int | None
    thread: int | None
    buttons: tuple[tuple[Button, ...], ...]
    reactions: tuple[str, ...]
    blocks: tuple[dict[str, Any], ...] = ()
    """Of a rich message."""

    def button(self, text: str) -> Button:
        """Return the button with this caption.

        Raises:
            LookupError: no such button; the message lists those that are there.
        """
        there = [button for row in self.buttons for button in row]
        for button in there:
            if button.text == text:
                return button
        raise LookupError(f"message {self.id} has no button {text!r}, only {[b.text for b in there]}")


def look_at(message: Message) -> SeenMessage:
    """Return what is seen of the message now."""
    attachment = message.content.attachment
    is_document = attachment is not None and attachment.kind is AttachmentKind.DOCUMENT
    is_voice = attachment is not None and attachment.kind is AttachmentKind.VOICE
    return SeenMessage(
        id=message.id,
        chat_id=message.chat.id,
        sender_id=message.sender.id,
        from_bot=message.sender.is_bot,
        text=message.content.text,
        entities=message.content.entities,
        document_name=attachment.file.name if attachment and is_document else None,
        document=attachment.file.content if attachment and is_document else None,
        voice=attachment.file.content if attachment and is_voice else None,
        photo=attachment.file.content if attachment and attachment.kind is AttachmentKind.PHOTO else None,
        edits=message.edits,
        reply_to=message.reply_to,
        thread=message.thread,
        buttons=_buttons(message),
        reactions=message.reactions,
        blocks=message.content.blocks,
    )


def _buttons(message: Message) -> tuple[tuple[Button, ...], ...]:
    if message.markup is None:
        return ()
    return tuple(
        tuple(
            Button(
                message.chat.id, message.id, button["text"], button.get("callback_data"), button.get("url")
            )
            for button in row
        )
        for row in message.markup["inline_keyboard"]
    )
