"""The chats, the people in them and the messages that stand there; the rules of writing and changing.

Every method either does all it says or raises; none waits, so a call of the Bot API is one step.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.errors import bad_request, migrated
from wireroom.testing.bot_api.model import (
    Attachment,
    AttachmentKind,
    Change,
    Chat,
    ChatKind,
    Content,
    Message,
    Person,
    Sighting,
    StoredFile,
)

_NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
_FOLDERS = {
    AttachmentKind.DOCUMENT: "documents",
    AttachmentKind.PHOTO: "photos",
    AttachmentKind.VOICE: "voice",
}


class World:
    """All that the server remembers about chats, people, messages and files."""

    def __init__(self, bot: Person, draft_clock: Callable[[], float] = time.monotonic) -> None:
        self.bot = bot
        self.draft_clock = draft_clock
        """Seconds, by which drafts grow old."""
        self.people: dict[int, Person] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        """By file id."""
        self.files_by_path: dict[str, StoredFile] = {}
        self.callbacks: dict[str, dict[str, Any] | None] = {}
        """By callback query id: None until answered, then {"text": str, "show_alert": bool}."""
        self.has_privacy = False
        """Whether the bot is in privacy mode."""
        self.private_topics = False
        """Whether the bot's private chats have topics."""
        self.announce: Callable[[str, dict[str, Any]], int] = lambda _kind, _payload: 0
        """Makes an update of something that the world itself tells; set by whoever delivers."""
        self.local_folder: Path | None = None
        """Where files lie whose paths are given out as they are, in local mode."""
        self.commands: dict[str, list[dict[str, str]]] = {}
        """By scope and language as JSON text."""
        # Private chats and basic groups share one sequence of message ids, a supergroup has its own:
        # whoever takes a message id alone for a key is caught by this.
        self._shared_ids = itertools.count(1)
        self._own_ids: dict[int, itertools.count[int]] = {}
        self._file_numbers = itertools.count(1)

    def add_chat(self, chat: Chat) -> Chat:
        """Add a chat; its id is free."""
        self.chats[chat.id] = chat
        if chat.kind is ChatKind.SUPERGROUP:
            self._own_ids[chat.id] = itertools.count(1)
        return chat

    def chat(self, chat_id: int) -> Chat:
        """Return the chat with this id.

        Raises:
            ApiRefusal: 400 "chat not found".
        """
        found = self.chats.get(chat_id)
        if found is None:
            raise bad_request("chat not found")
        if found.migrated_to is not None:
            raise migrated(found.migrated_to)
        return found

    def new_message_id(self, chat: Chat) -> int:
        """Take the next message id of the chat."""
        return next(self._own_ids.get(chat.id, self._shared_ids))

    def post(
        self,
        chat: Chat,
        sender: Person,
        content: Content,
        *,
        reply_to: int | None = None,
        thread: int | None = None,
        markup: dict[str, Any] | None = None,
    ) -> Message:
        """Put a new message into the chat and return it."""
        message = Message(
            id=self.new_message_id(chat),
            chat=chat,
            sender=sender,
            date=int(time.time()),
            content=content,
            reply_to=reply_to,
            thread=thread,
            markup=markup,
        )
        chat.messages[message.id] = message
        if sender == self.bot:
            chat.drafts.end(thread)
        _note(message, Change.SENT)
        return message

    def edit(self, message: Message, content: Content, markup: dict[str, Any] | None) -> None:
        """Replace what the message says and its keyboard; leaving the keyboard out removes it.

        Raises:
            ApiRefusal: 400 "message is not modified"; both are what they were.
        """
        if message.content == content and message.markup == markup:
            raise bad_request(_NOT_MODIFIED)
        if message.content != content:
            message.content = content
            message.edits += 1
            message.edited_at = int(time.time())
            _note(message, Change.EDITED)
        message.markup = markup

    def delete(self, message: Message) -> None:
        """Take the message off the chat."""
        del message.chat.messages[message.id]
        _note(message, Change.DELETED)

    def show_draft(self, chat: Chat, draft: SeenDraft) -> None:
        """Show a partial message, and record that the person saw it."""
        chat.drafts.show(draft)
        chat.sightings.append(Sighting(time.monotonic(), Change.DRAFT, 0, self.bot.id, draft.text))

    def new_album(self) -> str:
        """Return what the pieces of the next album have in common."""
        return str(13_000_000_000_000_000 + next(self._file_numbers))

    def store_file(self, kind: AttachmentKind, name: str, content: bytes, mime_type: str) -> StoredFile:
        """Keep a file and return it with its ids and path."""
        number = next(self._file_numbers)
        suffix = name.rpartition(".")[2] if "." in name else "bin"
        path = f"{_FOLDERS[kind]}/file_{number}.{suffix}"
        stored = StoredFile(f"FILE{number:08d}", f"UNIQUE{number:06d}", path, name, mime_type, content)
        self.files[stored.file_id] = stored
        self.files_by_path[path] = stored
        return stored

    def attach(
        self, kind: AttachmentKind, name: str, content: bytes, mime_type: str, duration_seconds: int = 0
    ) -> Attachment:
        """Keep a file and return it as an attachment."""
        return Attachment(kind, self.store_file(kind, name, content, mime_type), duration_seconds)


def _note(message: Message, change: Change) -> None:
    attachment = message.content.attachment
    message.chat.sightings.append(
        Sighting(
            at=time.monotonic(),
            change=change,
            message_id=message.id,
            sender_id=message.sender.id,
            text=message.content.text,
            document_name=attachment.file.name if attachment else None,
        )
    )
