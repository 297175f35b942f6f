"""Topics: the methods that make and change them, and the service messages that tell of it.

Source: Telegram Bot API, createForumTopic and its neighbours. Telegram tells a bot of the service messages of
topics that it made itself, too, which it does of no other message of its own.
"""

from __future__ import annotations

import time
from typing import Any

from wireroom.testing.bot_api.errors import bad_request
from wireroom.testing.bot_api.model import Chat, ChatKind, Content, Json, Message, Person
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.world import World

_LONGEST_NAME = 128
_ICON_COLOR = 7322096


def make_topic(world: World, chat: Chat, maker: Person, name: str) -> int:
    """Make a topic and return its thread: the id of the service message that begins it."""
    thread = world.new_message_id(chat)
    chat.topics[thread] = name
    service = {"forum_topic_created": {"name": name, "icon_color": _ICON_COLOR}}
    chat.began[thread] = Message(
        thread, chat, maker, int(time.time()), Content(), thread=thread, service=service
    )
    return thread


def tell(world: World, chat: Chat, maker: Person, thread: int | None, service: Json) -> int:
    """Put a service message into the chat and return the id of its update."""
    message = Message(
        world.new_message_id(chat),
        chat,
        maker,
        int(time.time()),
        Content(),
        thread=thread,
        service=service,
    )
    return world.announce("message", message.to_json())


def rename(world: World, chat: Chat, maker: Person, thread: int, name: str) -> int:
    """Give a topic another name."""
    chat.topics[thread] = name
    return tell(world, chat, maker, thread, {"forum_topic_edited": {"name": name}})


def close(world: World, chat: Chat, maker: Person, thread: int) -> int:
    """Close a topic: who may not manage topics writes nothing more in it."""
    chat.closed.add(thread)
    return tell(world, chat, maker, thread, {"forum_topic_closed": {}})


def reopen(world: World, chat: Chat, maker: Person, thread: int) -> int:
    """Open a closed topic again."""
    chat.closed.discard(thread)
    return tell(world, chat, maker, thread, {"forum_topic_reopened": {}})


def delete(chat: Chat, thread: int) -> None:
    """Delete a topic with all its messages; nobody is told."""
    del chat.topics[thread]
    chat.closed.discard(thread)
    chat.began.pop(thread, None)
    for message in [one for one in chat.messages.values() if one.thread == thread]:
        del chat.messages[message.id]


def _forum(world: World, params: Params) -> Chat:
    chat = world.chat(params.integer("chat_id"))
    has_topics = world.private_topics if chat.kind is ChatKind.PRIVATE else chat.forum
    if not has_topics:
        raise bad_request("the chat is not a forum")
    return chat


def _name(params: Params) -> str:
    name = params.text("name").strip()
    if not name:
        raise bad_request("TOPIC_TITLE_EMPTY")
    return name[:_LONGEST_NAME]


def _topic(chat: Chat, params: Params) -> int:
    thread = params.integer("message_thread_id")
    if thread not in chat.topics:
        raise bad_request("TOPIC_ID_INVALID")
    return thread


def _may(world: World, chat: Chat, thread: int | None = None) -> None:
    """Refuse a bot without the right, except on a topic that it made."""
    began = chat.began.get(thread or 0)
    own = began is not None and began.sender == world.bot
    if chat.kind is ChatKind.SUPERGROUP and not chat.bot_manages_topics and not own:
        raise bad_request("not enough rights to create a topic" if thread is None else "CHAT_ADMIN_REQUIRED")


def _create(world: World, params: Params) -> Any:
    chat, name = _forum(world, params), _name(params)
    _may(world, chat)
    thread = make_topic(world, chat, world.bot, name)
    world.announce("message", chat.began[thread].to_json())
    return {"message_thread_id": thread, "name": name, "icon_color": _ICON_COLOR}


def _edit(world: World, params: Params) -> Any:
    chat = _forum(world, params)
    thread = _topic(chat, params)
    _may(world, chat, thread)
    if params.text("name"):
        if _name(params) == chat.topics[thread]:
            raise bad_request("TOPIC_NOT_MODIFIED")
        rename(world, chat, world.bot, thread, _name(params))
    return True


def _close(world: World, params: Params) -> Any:
    return _switch(world, params, closes=True)


def _reopen(world: World, params: Params) -> Any:
    return _switch(world, params, closes=False)


def _switch(world: World, params: Params, *, closes: bool) -> Any:
    chat = _forum(world, params)
    if chat.kind is ChatKind.PRIVATE:
        raise bad_request("the chat is not a supergroup")
    thread = _topic(chat, params)
    _may(world, chat, thread)
    if (thread in chat.closed) is closes:
        raise bad_request("TOPIC_NOT_MODIFIED")
    (close if closes else reopen)(world, chat, world.bot, thread)
    return True


FORUM_METHODS = {
    "createForumTopic": _create,
    "editForumTopic": _edit,
    "closeForumTopic": _close,
    "reopenForumTopic": _reopen,
}
