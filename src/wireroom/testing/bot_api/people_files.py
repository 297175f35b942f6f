"""What people send beside words: pictures, albums, files, and what others had said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wireroom.testing.bot_api.attachments import LARGEST_ALBUM, SMALLEST_ALBUM
from wireroom.testing.bot_api.model import AttachmentKind, Content, Person
from wireroom.testing.bot_api.people import ChatRef, PeopleSide
from wireroom.testing.bot_api.text import find_entities


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of an album: a photo, or with a name a document."""

    content: bytes
    caption: str = ""
    name: str = ""


class PeopleWithFiles(PeopleSide):
    """The people's half of the server, with files. A method that makes an update returns its update id."""

    async def user_sends_photo(
        self, chat: ChatRef, content: bytes, *, caption: str = "", user: Person | None = None, **how: Any
    ) -> int:
        """Let a person send a picture; Telegram tells of it in several sizes, and gives it no name.

        Args:
            chat: Where.
            content: The picture.
            caption: What stands below it.
            user: Who; needed in a group.
            how: `album`, of a piece sent alone; `reply_to`; `thread`.
        """
        return self._give(chat, Piece(content, caption), user, **how)

    async def user_sends_album(
        self, chat: ChatRef, pieces: Sequence[Piece], *, user: Person | None = None
    ) -> list[int]:
        """Let a person send an album: one update a piece, as Telegram does; return their ids.

        Raises:
            ValueError: an album has 2 to 10 pieces.
        """
        if not SMALLEST_ALBUM <= len(pieces) <= LARGEST_ALBUM:
            raise ValueError(f"an album has 2 to 10 pieces, not {len(pieces)}")
        album = self._world.new_album()
        return [self._give(chat, piece, user, album=album) for piece in pieces]

    def new_album(self) -> str:
        """Return what the pieces of one album have in common, for pieces that are sent one by one."""
        return self._world.new_album()

    async def user_forwards(
        self, chat: ChatRef, text: str, author: Person, *, user: Person | None = None
    ) -> int:
        """Let a person forward what somebody else had written."""
        place = self._place(chat)
        message = self._world.post(place, self._speaker(place, user), Content(text))
        message.forwarded_from = author
        return self._feed.add("message", message.to_json())

    async def user_quotes(
        self, chat: ChatRef, text: str, reply_to: int, quote: str, *, user: Person | None = None
    ) -> int:
        """Let a person answer a part of a message."""
        place = self._place(chat)
        message = self._world.post(place, self._speaker(place, user), Content(text), reply_to=reply_to)
        message.quote = quote
        return self._feed.add("message", message.to_json())

    def _give(
        self,
        chat: ChatRef,
        piece: Piece,
        user: Person | None,
        *,
        album: str | None = None,
        reply_to: int | None = None,
        thread: int | None = None,
    ) -> int:
        place = self._place(chat)
        kind = AttachmentKind.DOCUMENT if piece.name else AttachmentKind.PHOTO
        mime_type = "application/octet-stream" if piece.name else "image/jpeg"
        attachment = self._world.attach(kind, piece.name or "photo.jpg", piece.content, mime_type)
        content = Content(piece.caption, find_entities(piece.caption), attachment)
        message = self._world.post(
            place, self._speaker(place, user), content, reply_to=reply_to, thread=thread
        )
        message.album = album
        return self._feed.add("message", message.to_json())
