"""What Wireroom says about topics. Pure; Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wireroom.conversations.topics import CLOSED, Topic
from wireroom.intake.words import excerpt

USAGE = (
    "`/topic new NAME [repository]` makes a topic and its project; `/topic` lists them. In a topic: "
    "`/topic rename NAME`, `/topic close`, `/topic reopen`."
)
ONLY_IN_A_TOPIC = "Send this in the topic that it is about."
NOT_HERE = "The topics of a private chat can be deleted, by you, but not closed."
TOO_LONG = "A topic's name has at most 128 characters."
MAKE_AGAIN = "🔁 Make it again"
_SUPERGROUP = "-100"


def made(name: str, repository: str | None, chat_id: int, thread_id: int) -> str:
    """Return that the topic is there, with a link where Telegram has links."""
    shown = excerpt(name)
    if str(chat_id).startswith(_SUPERGROUP):
        shown = f"[{shown}](https://t.me/c/{str(chat_id).removeprefix(_SUPERGROUP)}/{thread_id})"
    return f"🧵 The topic {shown} is there; it works in {_place(repository)}."


def welcome(repository: str | None, *, is_shared: bool) -> str:
    """Return the first words in a new topic."""
    meant = " Whatever is written here is for me, without my name." if is_shared else ""
    return f"🧵 This topic has a conversation of its own, in {_place(repository)}.{meant}"


def listing(topics: Sequence[Topic], repositories: Mapping[int, str | None]) -> str:
    """Return the topics of a chat with their projects.

    Args:
        topics: What is known of them.
        repositories: By thread.
    """
    if not topics:
        return f"I know of no topics here. {USAGE}"
    lines = [_line(topic, repositories.get(topic.thread_id)) for topic in topics]
    return "\n".join((*lines, "", USAGE))


def unsure(name: str) -> str:
    """Return that nobody knows whether the topic was made."""
    return (
        f"I asked Telegram for the topic {excerpt(name)} and was cut off before its answer came. "
        "If you do not see the topic, have it made again."
    )


def refused(name: str, description: str, *, is_private: bool) -> str:
    """Return why there is no such topic, and what to do.

    Args:
        name: The topic's.
        description: Telegram's own words.
        is_private: In a private chat.
    """
    return f"There is no topic {excerpt(name)}. {_remedy(description.lower(), is_private=is_private)}"


def unchanged(description: str, *, is_private: bool) -> str:
    """Return why a topic was not changed, and what to do."""
    return f"The topic stays as it is. {_remedy(description.lower(), is_private=is_private)}"


def _remedy(said: str, *, is_private: bool) -> str:
    if "not a forum" in said or "forum_create_forbidden" in said:
        if is_private:
            return "My private chats have no topics: switch on Threaded Mode for me with @BotFather."
        return "This group has no topics: switch them on in the group's settings."
    if "not enough rights" in said or "admin_required" in said:
        return "I may not manage topics: make me an administrator with the right “Manage topics”."
    return f"Telegram says: {excerpt(said)}"


def _line(topic: Topic, repository: str | None) -> str:
    name = f"**{excerpt(topic.name)}**" if topic.name else "a topic whose name nobody told me"
    closed = " (closed)" if topic.state == CLOSED else ""
    return f"• {name}{closed}: {_place(repository)}"


def _place(repository: str | None) -> str:
    return f"**{excerpt(repository)}**" if repository else "a folder of its own"
