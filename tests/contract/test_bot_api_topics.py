"""Topics, privacy and groups that move, as the played Telegram has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiogram.types
import aiohttp
import pytest

from wireroom.testing.bot_api import BotAPIServer

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Play Telegram, with a bot in privacy mode whose private chats have topics."""
    async with BotAPIServer(privacy=True, private_topics=True) as server:
        yield server


@pytest.fixture
async def ask(telegram: BotAPIServer) -> AsyncIterator[Ask]:
    """Lend a way to call methods as the bot."""
    async with aiohttp.ClientSession() as http:

        async def call(method: str, **params: Any) -> dict[str, Any]:
            async with http.post(f"{telegram.url}/bot{telegram.token}/{method}", json=params) as response:
                body: dict[str, Any] = await response.json()
                return body

        yield call


async def _told(ask: Ask) -> list[dict[str, Any]]:
    """Return the messages that wait for the bot, each held against the models of a complete library."""
    updates = (await ask("getUpdates"))["result"]
    for update in updates:
        aiogram.types.Update.model_validate(update)
    return [update["message"] for update in updates]


async def test_topic_of_the_bot_is_told_to_it(telegram: BotAPIServer, ask: Ask) -> None:
    """CreateForumTopic answers with the thread, and the bot is told of its own service message."""
    forum = telegram.group("team", forum=True)
    made = (await ask("createForumTopic", chat_id=forum.id, name="Shop"))["result"]
    aiogram.types.ForumTopic.model_validate(made)
    [update] = (await ask("getUpdates"))["result"]
    message = aiogram.types.Update.model_validate(update).message
    assert message is not None
    assert message.forum_topic_created is not None
    assert (message.message_thread_id, message.forum_topic_created.name) == (
        made["message_thread_id"],
        "Shop",
    )
    assert message.from_user is not None
    assert message.from_user.is_bot
    assert forum.topics == {made["message_thread_id"]: "Shop"}


async def test_topics_are_refused_where_there_are_none(telegram: BotAPIServer, ask: Ask) -> None:
    """A group without topics, a right that the bot lacks, and a name that is empty have their own words."""
    team, forum = telegram.group("team"), telegram.group("forum", forum=True)
    forum.bot_manages_topics = False
    refused = [
        (await ask("createForumTopic", chat_id=team.id, name="Shop"))["description"],
        (await ask("createForumTopic", chat_id=forum.id, name="Shop"))["description"],
        (await ask("createForumTopic", chat_id=forum.id, name=" "))["description"],
        (await ask("closeForumTopic", chat_id=forum.id, message_thread_id=9))["description"],
    ]
    assert refused == [
        "Bad Request: the chat is not a forum",
        "Bad Request: not enough rights to create a topic",
        "Bad Request: TOPIC_TITLE_EMPTY",
        "Bad Request: TOPIC_ID_INVALID",
    ]


async def test_closed_and_deleted_topics_take_no_message(telegram: BotAPIServer, ask: Ask) -> None:
    """Who may not manage topics writes in no closed one, also by a reply; a deleted one is not found."""
    forum, ada = telegram.group("team", forum=True), telegram.user(7)
    thread = await telegram.user_makes_topic(forum, "Shop", user=ada)
    said = telegram.message_id_of(await telegram.user_says(forum, "hi", user=ada, thread=thread))
    assert (await ask("closeForumTopic", chat_id=forum.id, message_thread_id=thread))["ok"]
    assert (await ask("sendMessage", chat_id=forum.id, message_thread_id=thread, text="x"))["ok"]
    forum.bot_manages_topics = False
    by_thread = await ask("sendMessage", chat_id=forum.id, message_thread_id=thread, text="x")
    by_reply = await ask("sendMessage", chat_id=forum.id, reply_parameters={"message_id": said}, text="x")
    assert by_thread["description"] == by_reply["description"] == "Bad Request: TOPIC_CLOSED"
    await telegram.user_deletes_topic(forum, thread)
    gone = await ask("sendMessage", chat_id=forum.id, message_thread_id=thread, text="x")
    assert gone["description"] == "Bad Request: message thread not found"
    assert telegram.visible(forum) == []


async def test_topics_are_renamed_and_opened_again(telegram: BotAPIServer, ask: Ask) -> None:
    """Each change is told by a service message; one that changes nothing is refused."""
    me = telegram.private_chat(telegram.user(7))
    made = (await ask("createForumTopic", chat_id=me.id, name="Shop"))["result"]
    thread = {"chat_id": me.id, "message_thread_id": made["message_thread_id"]}
    assert (await ask("editForumTopic", **thread, name="Till"))["ok"]
    assert me.topics == {made["message_thread_id"]: "Till"}
    again = await ask("editForumTopic", **thread, name="Till")
    assert again["description"] == "Bad Request: TOPIC_NOT_MODIFIED"
    private = await ask("closeForumTopic", **thread)
    assert private["description"] == "Bad Request: the chat is not a supergroup"
    forum = telegram.group("team", forum=True)
    other = {"chat_id": forum.id, "message_thread_id": telegram.topic(forum, "x")}
    for method in ("closeForumTopic", "reopenForumTopic"):
        assert (await ask(method, **other))["ok"]
        assert (await ask(method, **other))["description"] == "Bad Request: TOPIC_NOT_MODIFIED"
    told = [set(message) for message in await _told(ask)]
    wanted = ("created", "edited", "closed", "reopened")
    assert all(f"forum_topic_{name}" in fields for name, fields in zip(wanted, told, strict=True))


async def test_plain_message_in_a_topic_answers_the_one_that_began_it(
    telegram: BotAPIServer, ask: Ask
) -> None:
    """As Telegram does: such an answer is addressed to nobody, and tells the topic's name."""
    forum, ada = telegram.group("team", forum=True), telegram.user(7)
    thread = (await ask("createForumTopic", chat_id=forum.id, name="Shop"))["result"]["message_thread_id"]
    update = await telegram.user_says(forum, "hi", user=ada, thread=thread)
    replied = telegram.update(update)["message"]["reply_to_message"]
    assert replied["forum_topic_created"]["name"] == "Shop"
    assert replied["from"]["id"] == telegram.bot.id


async def test_privacy_hides_what_is_between_people(telegram: BotAPIServer, ask: Ask) -> None:
    """A bot that is no administrator is told of commands, of its name, and of answers to it."""
    team, ada = telegram.group("team"), telegram.user(7)
    mine = (await ask("sendMessage", chat_id=team.id, text="hello"))["result"]["message_id"]
    name = telegram.bot.username
    for text in ("talk", "/status", "/status@other_bot", f"🎉 @{name} run", "@other_bot run"):
        await telegram.user_says(team, text, user=ada)
    await telegram.user_says(team, "an answer", user=ada, reply_to=mine)
    seen = [message["text"] for message in await _told(ask)]
    assert seen == ["/status", f"🎉 @{name} run", "an answer"]


async def test_group_that_became_a_supergroup_says_where_it_is(telegram: BotAPIServer, ask: Ask) -> None:
    """Both chats tell of it, and what is sent to the old one is refused with the new id."""
    team, ada = telegram.group("team"), telegram.user(7)
    new = await telegram.group_becomes_supergroup(team, user=ada)
    told = await _told(ask)
    assert told[0]["migrate_to_chat_id"] == told[1]["chat"]["id"] == new.id
    assert told[1]["migrate_from_chat_id"] == told[0]["chat"]["id"] == team.id
    refused = await ask("sendMessage", chat_id=team.id, text="x")
    assert refused["parameters"] == {"migrate_to_chat_id": new.id}
    with pytest.raises(ValueError, match="no basic group"):
        await telegram.group_becomes_supergroup(new, user=ada)


async def test_who_writes_in_the_name_of_a_chat_is_not_told(telegram: BotAPIServer, ask: Ask) -> None:
    """An anonymous administrator comes as the group, somebody with a channel as that."""
    team, channel = telegram.group("team", forum=True), telegram.group("news", supergroup=True)
    await telegram.chat_says(team, "hi")
    await telegram.chat_says(team, "hi", name_of=channel)
    told = await _told(ask)
    assert [one["sender_chat"]["id"] for one in told] == [team.id, channel.id]
    assert all(one["from"]["is_bot"] for one in told)
