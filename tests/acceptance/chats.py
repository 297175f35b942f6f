"""What people see in their chats: whether each message has its one answer, and nothing else stands there."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Change, Chat, SeenMessage, Sighting
from wireroom.testing.eventually import eventually

_PLACEHOLDERS = ("⏳", "🕐", "…")


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that must be answered with its token, once."""

    chat: Chat
    message_id: int
    token: str


async def ask(telegram: BotAPIServer, chat: Chat, token: str, script: str = "") -> Asked:
    """Let the chat's person send the token, or a script that ends by saying it."""
    text = f"{script}; say {token}" if script else f"Please repeat {token}."
    update_id = await telegram.user_says(chat, text)
    return Asked(chat, telegram.message_id_of(update_id), token)


def is_answered(telegram: BotAPIServer, asked: Asked) -> bool:
    """Tell whether an answer with the token stands in the chat."""
    return any(asked.token in reply.text for reply in telegram.answers_to(asked.message_id, asked.chat))


async def all_answered(telegram: BotAPIServer, questions: Sequence[Asked], timeout_seconds: float) -> float:
    """Return the seconds until every question had an answer and no placeholder was left."""
    started = time.monotonic()
    open_questions = list(questions)
    chats = {asked.chat.id: asked.chat for asked in questions}.values()

    def all_done() -> bool:
        open_questions[:] = [asked for asked in open_questions if not is_answered(telegram, asked)]
        return not open_questions and not any(placeholders(telegram, chat) for chat in chats)

    try:
        await eventually(all_done, "every question is answered", timeout_seconds)
    except AssertionError as error:
        left = [
            f"{chat.title} {one.id}: {one.text}" for chat in chats for one in placeholders(telegram, chat)
        ]
        raise AssertionError(
            f"{error}; open: {open_questions}; placeholders: {left}\n{_shown(telegram, list(chats))}"
        ) from error
    return time.monotonic() - started


async def told(
    telegram: BotAPIServer, chat: Chat, text: str, wanted: str, timeout_seconds: float = 20.0
) -> SeenMessage:
    """Let the chat's person send the text; return the bot's reply to it once it contains `wanted`."""
    message_id = telegram.message_id_of(await telegram.user_says(chat, text))
    return await replied(telegram, chat, message_id, wanted, timeout_seconds)


async def replied(
    telegram: BotAPIServer, chat: Chat, message_id: int, wanted: str, timeout_seconds: float = 20.0
) -> SeenMessage:
    """Return the bot's reply to a message once it contains `wanted`."""

    def found() -> list[SeenMessage]:
        return [reply for reply in telegram.answers_to(message_id, chat) if wanted in reply.text]

    try:
        await eventually(found, f"a reply to {message_id} says {wanted!r}", timeout_seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{_shown(telegram, [chat])}") from error
    return found()[0]


def placeholders(telegram: BotAPIServer, chat: Chat) -> list[SeenMessage]:
    """Return the messages of the bot that are no answer yet."""
    return [
        message
        for message in telegram.visible(chat)
        if message.from_bot and message.text.startswith(_PLACEHOLDERS)
    ]


def assert_each_once(telegram: BotAPIServer, questions: Sequence[Asked]) -> None:
    """Raise AssertionError unless each question has exactly one answer, now and at any time before.

    Nothing else of the bot stands in the chats, and no answer was ever shown in two messages.
    """
    for asked in questions:
        replies = telegram.answers_to(asked.message_id, asked.chat)
        assert len(replies) == 1, f"{asked.token}: {[reply.text for reply in replies]}"
        assert asked.token in replies[0].text
        shown_in = {one.message_id for one in _shown_by_bot(telegram, asked.chat) if asked.token in one.text}
        assert shown_in == {replies[0].id}, f"{asked.token} in {shown_in}\n{_seen(telegram, asked.chat)}"
    for chat in {asked.chat.id: asked.chat for asked in questions}.values():
        from_bot = [message for message in telegram.visible(chat) if message.from_bot]
        expected = sum(asked.chat.id == chat.id for asked in questions)
        assert len(from_bot) == expected, _shown(telegram, [chat])


def answer_order(telegram: BotAPIServer, chat: Chat) -> list[int]:
    """Return the messages that were answered, in the order in which their answers appeared in the chat."""
    return [
        message.reply_to
        for message in telegram.visible(chat)
        if message.from_bot and message.reply_to is not None
    ]


def _shown_by_bot(telegram: BotAPIServer, chat: Chat) -> list[Sighting]:
    return [
        one
        for one in telegram.sightings(chat)
        if one.sender_id == telegram.bot.id and one.change not in {Change.DELETED, Change.DRAFT}
    ]


def _shown(telegram: BotAPIServer, chats: Sequence[Chat]) -> str:
    return "\n".join(
        f"{chat.title} {message.id} -> {message.reply_to}: {message.text[:80]!r}"
        for chat in chats
        for message in telegram.visible(chat)
    )


def _seen(telegram: BotAPIServer, chat: Chat) -> str:
    return "\n".join(f"{one.change} {one.message_id}: {one.text[:80]!r}" for one in telegram.sightings(chat))
