"""Whom a message of a group is meant for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wireroom.intake.addressing import Hearing, Me, Meant, Nameless, Overheard, Unclear, hear
from wireroom.intake.around import (
    Around,
    GeneralNews,
    Migrated,
    News,
    TopicNews,
    news_of,
    read_around,
)

_ME = Me(99, "Worker_Bot")
_ADA = {"id": 7, "is_bot": False, "first_name": "Ada"}
_BOT = {"id": 99, "is_bot": True, "first_name": "Wireroom"}
_GROUP = {"id": -1002, "type": "supergroup", "title": "Team"}


def _around(text: str = "", **fields: Any) -> Around:
    """Return the message, with a mention for each word that begins with @."""
    entities, at = [], 0
    for word in text.split(" "):
        name = word.rstrip(",:.")
        units = len(word.encode("utf-16-le")) // 2
        if name.startswith("@"):
            entities.append({"type": "mention", "offset": at, "length": len(name)})
        at += units + 1
    message = {"message_id": 3, "chat": _GROUP, "from": _ADA, "text": text, "entities": entities, **fields}
    around = read_around(json.dumps({"update_id": 1, "message": message}))
    assert around is not None
    return around


def _reply(**fields: Any) -> dict[str, Any]:
    return {"reply_to_message": {"message_id": 2, "chat": _GROUP, "from": _BOT, **fields}}


@pytest.mark.parametrize(
    ("around", "heard"),
    [
        pytest.param(_around("run it"), Overheard("not meant for the bot"), id="between people"),
        pytest.param(_around("@worker_bot run it"), Meant("run it"), id="named"),
        pytest.param(_around("@Worker_Bot, run it"), Meant("run it"), id="named with a comma"),
        pytest.param(_around("please @worker_bot run it"), Meant("please run it"), id="in the middle"),
        pytest.param(_around("🎉🎉 run it, @worker_bot"), Meant("🎉🎉 run it"), id="at the end, past emoji"),
        pytest.param(_around("@worker_bot /status"), Meant("/status"), id="a command after the name"),
        pytest.param(_around("@worker_bot"), Meant(""), id="nothing but the name"),
        pytest.param(_around("@worker_bot a\0b"), Meant("ab"), id="with NUL"),
        pytest.param(_around("@worker_bot2 run"), Overheard("not meant for the bot"), id="another name"),
        pytest.param(_around("run it", **_reply()), Meant("run it"), id="an answer to the bot"),
        pytest.param(
            _around("run it", **_reply(forum_topic_created={"name": "Shop"})),
            Overheard("not meant for the bot"),
            id="a plain message in a topic that the bot made",
        ),
        pytest.param(_around("/status"), Meant("/status"), id="a bare command"),
        pytest.param(_around("/status@worker_bot"), Meant("/status@worker_bot"), id="a command to the bot"),
        pytest.param(
            _around("/status@other_bot"), Overheard("not meant for the bot"), id="another bot's command"
        ),
        pytest.param(_around("/made_up"), Overheard("not meant for the bot"), id="an unknown command"),
        pytest.param(
            _around("Wire run", entities=[{"type": "text_mention", "offset": 0, "length": 4, "user": _BOT}]),
            Meant("run"),
            id="named without a username",
        ),
        pytest.param(
            _around("", caption="@worker_bot look", caption_entities=[
                {"type": "mention", "offset": 0, "length": 11}
            ]),
            Meant("look"),
            id="named in a caption",
        ),
        pytest.param(
            _around("@worker_bot run", **{"from": {"id": 5, "is_bot": True, "first_name": "Other"}}),
            Overheard("from another bot"),
            id="another bot speaks",
        ),
        pytest.param(
            _around("@worker_bot run", sender_chat={"id": -1002, "type": "supergroup", "title": "Team"}),
            Nameless(-1002, "Team"),
            id="an anonymous administrator",
        ),
        pytest.param(
            _around("@worker_bot run", sender_chat={"id": -9, "type": "channel"}, is_automatic_forward=True),
            Overheard("a post of the linked channel"),
            id="a post of the linked channel",
        ),
        pytest.param(_around("hi", chat={"id": 7, "type": "private"}), Meant("hi"), id="a private chat"),
    ],
)  # fmt: skip
def test_message_is_meant_for_the_bot_or_not(around: Around, heard: Hearing) -> None:
    """Only what names the bot, answers it or commands it is for it; its name is taken out."""
    assert hear(around, _ME, is_project=lambda: False) == heard


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("run it", Meant("run it")),
        ("@ben have a look", Meant("@ben have a look")),
        ("/stop@other_bot", Overheard("not meant for the bot")),
    ],
)
def test_everything_in_a_project_is_meant(text: str, heard: Hearing) -> None:
    """In a topic that is a project people need not name the bot; another bot's commands stay its own."""
    assert hear(_around(text), _ME, is_project=lambda: True) == heard


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("@worker_bot run", Unclear()),
        ("/stop@worker_bot", Unclear()),
        ("run", Overheard("not meant for the bot")),
        ("/status", Meant("/status")),
    ],
)
def test_names_are_not_judged_before_the_own_one_is_known(text: str, heard: Hearing) -> None:
    """Right after a start, what names somebody waits, and is not taken for talk between people."""
    assert hear(_around(text), Me(99, ""), is_project=lambda: False) == heard


@pytest.mark.parametrize(
    ("fields", "news"),
    [
        ({"forum_topic_created": {"name": "Shop", "icon_color": 1}}, TopicNews("Shop", "open")),
        (
            {"forum_topic_created": {"name": "Shop", "icon_color": 1}, "from": _BOT},
            TopicNews("Shop", "open", by_bot=True),
        ),
        ({"forum_topic_edited": {"name": "Till"}}, TopicNews("Till")),
        ({"forum_topic_edited": {"icon_custom_emoji_id": "5"}}, TopicNews()),
        ({"forum_topic_closed": {}}, TopicNews(state="closed")),
        ({"forum_topic_reopened": {}}, TopicNews(state="open")),
        ({"general_forum_topic_hidden": {}}, GeneralNews()),
        ({"migrate_to_chat_id": -1007}, Migrated(-1002, -1007)),
        ({"migrate_from_chat_id": -5}, Migrated(-5, -1002)),
        ({"text": "hi"}, None),
    ],
)
def test_service_message_tells_news(fields: dict[str, Any], news: News | None) -> None:
    """What became of a topic or a chat is read from its service message."""
    assert news_of(_around(**fields), 99) == news


def test_unreadable_update_tells_nothing_of_its_chat() -> None:
    """An update without a message that can be read is left to others."""
    assert read_around('{"update_id": 1, "message": {"chat": "?"}}') is None
    assert read_around('{"update_id": 1, "poll": {}}') is None
