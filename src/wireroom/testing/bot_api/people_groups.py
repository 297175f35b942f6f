"""What people do in groups: topics, anonymous administrators, groups that become supergroups."""

from __future__ import annotations

from wireroom.testing.bot_api import forum
from wireroom.testing.bot_api.model import Chat, ChatKind, Content, Person
from wireroom.testing.bot_api.people import ChatRef
from wireroom.testing.bot_api.people_files import PeopleWithFiles
from wireroom.testing.bot_api.text import find_entities

_ANONYMOUS = Person(1087968824, "Group", "GroupAnonymousBot", is_bot=True)
_CHANNEL = Person(136817688, "Channel", "Channel_Bot", is_bot=True)


class PeopleInGroups(PeopleWithFiles):
    """The people's half of the server, with groups. A method that makes an update returns its update id."""

    async def user_makes_topic(self, chat: ChatRef, name: str, *, user: Person | None = None) -> int:
        """Let a person make a topic, of which the bot is told; return its thread id."""
        place = self._place(chat)
        thread = forum.make_topic(self._world, place, self._speaker(place, user), name)
        self._feed.add("message", place.began[thread].to_json())
        return thread

    async def user_renames_topic(
        self, chat: ChatRef, thread: int, name: str, *, user: Person | None = None
    ) -> int:
        """Let a person give a topic another name."""
        place = self._place(chat)
        return forum.rename(self._world, place, self._speaker(place, user), thread, name)

    async def user_closes_topic(self, chat: ChatRef, thread: int, *, user: Person | None = None) -> int:
        """Let a person close a topic."""
        place = self._place(chat)
        return forum.close(self._world, place, self._speaker(place, user), thread)

    async def user_deletes_topic(self, chat: ChatRef, thread: int) -> None:
        """Let a person delete a topic with all that stands in it; the bot is not told."""
        forum.delete(self._place(chat), thread)

    async def chat_says(self, chat: ChatRef, text: str, *, name_of: Chat | None = None) -> int:
        """Let somebody write in the name of the group itself, or of a channel."""
        place = self._place(chat)
        sender = _ANONYMOUS if name_of is None else _CHANNEL
        message = self._world.post(place, sender, Content(text, find_entities(text)))
        message.sender_chat = name_of or place
        return self._feed.add("message", message.to_json())

    async def group_becomes_supergroup(self, chat: ChatRef, *, user: Person, forum: bool = False) -> Chat:
        """Turn a group into a supergroup with another id; both chats tell of it. Return the new one."""
        old = self._place(chat)
        if old.kind is not ChatKind.GROUP:
            raise ValueError(f"chat {old.id} is no basic group")
        new = self.group(old.title, supergroup=True, forum=forum)
        old.migrated_to = new.id
        for place, news in ((old, {"migrate_to_chat_id": new.id}), (new, {"migrate_from_chat_id": old.id})):
            self._tell(place, user, news)
        return new

    def _tell(self, place: Chat, user: Person, news: dict[str, int]) -> None:
        forum.tell(self._world, place, user, None, news)
