"""What people do in their chats, from which updates are made."""

from __future__ import annotations

import itertools
from typing import Any

from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.errors import ApiRefusal
from wireroom.testing.bot_api.feed import UpdateFeed
from wireroom.testing.bot_api.html_text import utf16_length
from wireroom.testing.bot_api.model import AttachmentKind, Chat, ChatKind, Content, Message, Person
from wireroom.testing.bot_api.text import MAX_TEXT_UNITS, find_entities
from wireroom.testing.bot_api.view import Button
from wireroom.testing.bot_api.world import World

ChatRef = Chat | int
"""A chat, or its id."""


class PeopleSide:
    """The people's half of the server. A method that makes an update returns its update id.

    An update whose kind `allowed_updates` leaves out has an id but is never delivered.
    """

    def __init__(self, world: World, feed: UpdateFeed) -> None:
        self._world = world
        self._feed = feed
        world.announce = feed.add
        self._callback_numbers = itertools.count(1)
        self._group_numbers = itertools.count(1)

    def user(self, user_id: int, name: str = "Ada", username: str | None = None) -> Person:
        """Return the person with this id; the first call makes them known."""
        return self._world.people.setdefault(user_id, Person(user_id, name, username))

    def private_chat(self, person: Person) -> Chat:
        """Return the person's chat with the bot, which has the person's id."""
        if person.id in self._world.chats:
            return self._world.chats[person.id]
        return self._world.add_chat(Chat(person.id, ChatKind.PRIVATE, person.name, person))

    def group(self, title: str, *, supergroup: bool = False, forum: bool = False) -> Chat:
        """Make a group; `forum` makes it a supergroup that can have topics."""
        number = next(self._group_numbers)
        if supergroup or forum:
            chat = Chat(-1_002_000_000_000 - number, ChatKind.SUPERGROUP, title, forum=forum)
        else:
            chat = Chat(-4_000_000 - number, ChatKind.GROUP, title)
        return self._world.add_chat(chat)

    def topic(self, chat: ChatRef, name: str) -> int:
        """Make a topic in a forum, or in a private chat that has topics, and return its thread id.

        Raises:
            ValueError: the chat is a group without topics.
        """
        place = self._place(chat)
        if not place.forum and place.kind is not ChatKind.PRIVATE:
            raise ValueError(f"chat {place.id} has no topics; make it with group(..., forum=True)")
        thread = self._world.new_message_id(place)
        place.topics[thread] = name
        return thread

    async def user_says(
        self,
        chat: ChatRef,
        text: str,
        *,
        user: Person | None = None,
        thread: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Let a person write a message; in a private chat, it is theirs.

        Raises:
            ValueError: the text is empty or longer than an app would send at once.
        """
        if not text or utf16_length(text) > MAX_TEXT_UNITS:
            raise ValueError(f"a person sends 1 to {MAX_TEXT_UNITS} UTF-16 units, got {utf16_length(text)}")
        return self._post(chat, user, Content(text, find_entities(text)), thread, reply_to)

    async def user_sends_document(
        self,
        chat: ChatRef,
        name: str,
        content: bytes,
        *,
        mime_type: str = "application/octet-stream",
        caption: str = "",
        user: Person | None = None,
        thread: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Let a person send a file."""
        attachment = self._world.attach(AttachmentKind.DOCUMENT, name, content, mime_type)
        return self._post(chat, user, Content(caption, find_entities(caption), attachment), thread, reply_to)

    async def user_sends_voice(
        self,
        chat: ChatRef,
        content: bytes,
        *,
        duration_seconds: int = 1,
        user: Person | None = None,
        thread: int | None = None,
        reply_to: int | None = None,
    ) -> int:
        """Let a person speak; Telegram's apps send OGG with OPUS."""
        attachment = self._world.attach(
            AttachmentKind.VOICE, "voice.oga", content, "audio/ogg", duration_seconds
        )
        return self._post(chat, user, Content(attachment=attachment), thread, reply_to)

    async def user_edits(self, chat: ChatRef, message_id: int, text: str) -> int:
        """Let a person change the text or caption of their message.

        Raises:
            LookupError: no such message.
            ValueError: it is the bot's, or the text is what it was.
        """
        message = self._own(chat, message_id)
        content = Content(text, find_entities(text), message.content.attachment)
        try:
            self._world.edit(message, content, message.markup)
        except ApiRefusal as refusal:
            raise ValueError(refusal.description) from refusal
        return self._feed.add("edited_message", message.to_json())

    async def user_deletes(self, chat: ChatRef, message_id: int) -> None:
        """Let a person delete their message; the bot is not told.

        Raises:
            LookupError: no such message.
            ValueError: it is the bot's.
        """
        self._world.delete(self._own(chat, message_id))

    async def user_presses(self, button: Button, *, user: Person | None = None) -> int:
        """Let a person press an inline button.

        Raises:
            LookupError: the button is not there any more.
        """
        place = self._place(button.chat_id)
        message = place.messages.get(button.message_id)
        rows: list[list[dict[str, Any]]] = (
            message.markup["inline_keyboard"] if message and message.markup else []
        )
        if message is None or not any(one.get("callback_data") == button.data for row in rows for one in row):
            raise LookupError(f"the button {button.text!r} is not under message {button.message_id} any more")
        query = f"{next(self._callback_numbers):016d}"
        self._world.callbacks[query] = None
        payload = {
            "id": query,
            "from": self._speaker(place, user).to_json(),
            "message": message.to_json(),
            "chat_instance": str(place.id),
            "data": button.data,
        }
        return self._feed.add("callback_query", payload)

    async def user_stops(self, draft: SeenDraft) -> int:
        """Let a person press the button of a draft that stops it.

        Raises:
            LookupError: the draft is gone, or has no such button.
        """
        place = self._place(draft.chat_id)
        now = self._world.draft_clock()
        shown = [one for one in place.drafts.visible(now) if one.draft_id == draft.draft_id]
        if not any(one.can_stop and one.thread == draft.thread for one in shown):
            raise LookupError(f"draft {draft.draft_id} of chat {place.id} has no button to stop it any more")
        place.drafts.stop(draft)
        payload: dict[str, Any] = {"chat": place.to_json(), "draft_id": draft.draft_id}
        if draft.thread is not None:
            payload["message_thread_id"] = draft.thread
        return self._feed.add("stopped_message_generation", payload)

    async def push_raw(self, update: dict[str, Any], times: int = 1, *, at_once: bool = False) -> list[int]:
        """Hand an update over as it is, `times` times, past order and redelivery.

        Args:
            update: With its own `update_id`, or without one to be given the next.
            times: How often.
            at_once: Post all at the same time instead of one after the other.

        Returns:
            The status of each POST to the webhook, 0 for no answer; empty without a webhook, when the
            update waits as many times for getUpdates.
        """
        return await self._feed.push(update, times, at_once=at_once)

    def update(self, update_id: int) -> dict[str, Any]:
        """Return an update as it was or will be delivered.

        Raises:
            KeyError: no such update, or longer ago than the last 100,000.
        """
        return self._feed.queue.made(update_id)

    def message_id_of(self, update_id: int) -> int:
        """Return the id of the message that the update is about.

        Raises:
            KeyError: no such update, or longer ago than the last 100,000.
        """
        for payload in self.update(update_id).values():
            if isinstance(payload, dict):
                return int(payload.get("message", payload)["message_id"])
        raise KeyError(update_id)

    def _place(self, chat: ChatRef) -> Chat:
        return chat if isinstance(chat, Chat) else self._world.chats[chat]

    def _speaker(self, place: Chat, user: Person | None) -> Person:
        speaker = user or place.person
        if speaker is None:
            raise ValueError(f"name the user who acts in group {place.id}")
        return speaker

    def _own(self, chat: ChatRef, message_id: int) -> Message:
        place = self._place(chat)
        message = place.messages.get(message_id)
        if message is None:
            raise LookupError(f"no message {message_id} in chat {place.id}")
        if message.sender.is_bot:
            raise ValueError(f"message {message_id} is the bot's; a person changes only their own")
        return message

    def _post(
        self, chat: ChatRef, user: Person | None, content: Content, thread: int | None, reply_to: int | None
    ) -> int:
        place = self._place(chat)
        if thread is not None and thread not in place.topics:
            raise ValueError(f"chat {place.id} has no topic {thread}")
        if thread is None and place.kind is ChatKind.SUPERGROUP:
            thread = _thread_of_replies(place, reply_to)
        message = self._world.post(
            place, self._speaker(place, user), content, reply_to=reply_to, thread=thread
        )
        return self._feed.add("message", message.to_json())


def _thread_of_replies(place: Chat, reply_to: int | None) -> int | None:
    """Return the thread that a reply in a supergroup falls into: the topic, else the first message's id.

    The latter is no topic: Telegram refuses it as `message_thread_id` of an answer.
    """
    replied = place.messages.get(reply_to) if reply_to else None
    if replied is None:
        return None
    return replied.thread if replied.thread is not None else replied.id
