"""The rule that classes what Telegram answers, as a table."""

from __future__ import annotations

import pytest

from wireroom.errors import TelegramError
from wireroom.telegram.errors import (
    DEFAULT_RETRY_AFTER_SECONDS,
    MAX_DESCRIPTION_CHARACTERS,
    CannotParse,
    ChatMigrated,
    ChatNotFound,
    Conflict,
    FloodWait,
    Forbidden,
    MessageGone,
    NotModified,
    Rejected,
    TelegramUnavailable,
    TooLong,
    TopicGone,
    Unauthorized,
    Uncertain,
    classify,
)

ANSWERS = [
    (400, "Bad Request: message text is empty", Rejected),
    (400, "Bad Request: can't parse entities: Can't find end of the entity at byte offset 3", CannotParse),
    (400, 'Bad Request: can\'t parse entities: tag "chat not found" is unexpected', CannotParse),
    (400, "Bad Request: entity beginning at UTF-16 offset 3 ends after the end of the text", CannotParse),
    (400, "Bad Request: message is not modified: the new content is the same", NotModified),
    (400, "Bad Request: message is too long", TooLong),
    (400, "Bad Request: MESSAGE_TOO_LONG", TooLong),
    (400, "Bad Request: message caption is too long", TooLong),
    (400, "Bad Request: file is too big", TooLong),
    (413, "Request Entity Too Large", TooLong),
    (413, None, TooLong),
    (400, "Bad Request: message to edit not found", MessageGone),
    (400, "Bad Request: message to be replied not found", MessageGone),
    (400, "Bad Request: message can't be edited", MessageGone),
    (400, "Bad Request: message thread not found", TopicGone),
    (400, "Bad Request: TOPIC_CLOSED", TopicGone),
    (400, "Bad Request: chat not found", ChatNotFound),
    (400, None, Rejected),
    (401, "Unauthorized", Unauthorized),
    (404, "Not Found", Unauthorized),
    (403, "Forbidden: bot was blocked by the user", Forbidden),
    (409, "Conflict: terminated by other getUpdates request", Conflict),
    (500, "Internal Server Error", TelegramUnavailable),
    (502, "Bad Gateway", TelegramUnavailable),
    (503, None, TelegramUnavailable),
    (500, None, Uncertain),
    (502, None, Uncertain),
    (504, None, Uncertain),
    (200, None, Uncertain),
    (302, None, TelegramUnavailable),
]


@pytest.mark.parametrize(("status", "description", "kind"), ANSWERS, ids=lambda value: str(value)[:48])
def test_classify_names_the_class_that_delivery_needs(
    status: int, description: str | None, kind: type[TelegramError]
) -> None:
    """Each known answer becomes exactly one class, and keeps its status."""
    error = classify("sendMessage", status, description)
    assert type(error) is kind
    assert error.status == status
    assert error.method == "sendMessage"


@pytest.mark.parametrize(
    ("description", "retry_after", "seconds"),
    [
        ("Too Many Requests: retry after 7", 30, 30),
        ("Too Many Requests: retry after 7", None, 7),
        (None, None, DEFAULT_RETRY_AFTER_SECONDS),
    ],
    ids=["parameters win", "description", "gateway page"],
)
def test_flood_wait_says_for_how_long(
    description: str | None, retry_after: float | None, seconds: float
) -> None:
    """The wait comes from the parameters, else from the words, else is a stated default."""
    error = classify("sendMessage", 429, description, retry_after=retry_after)
    assert isinstance(error, FloodWait)
    assert error.retry_after_seconds == seconds


def test_migration_names_the_new_chat() -> None:
    """A group that became a supergroup is a rejection that says where to send instead."""
    error = classify("sendMessage", 400, "Bad Request: group chat was upgraded", migrate_to_chat_id=-1001)
    assert isinstance(error, ChatMigrated)
    assert error.migrate_to_chat_id == -1001


@pytest.mark.parametrize(
    ("description", "webhook"),
    [
        ("Conflict: can't use getUpdates method while webhook is active", True),
        ("Conflict: terminated by other getUpdates request", False),
    ],
    ids=["webhook", "another poller"],
)
def test_conflict_tells_a_webhook_from_another_poller(description: str, webhook: bool) -> None:
    """The two conflicts need different remedies."""
    error = classify("getUpdates", 409, description)
    assert isinstance(error, Conflict)
    assert error.webhook_active is webhook


def test_long_descriptions_are_cut() -> None:
    """A description that quotes a whole message does not fill the log."""
    error = classify("sendMessage", 400, "x" * 5000)
    assert len(str(error)) <= MAX_DESCRIPTION_CHARACTERS + len("sendMessage: ")
