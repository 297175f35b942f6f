"""`kill -9` while a topic is made: there is one topic in the end, and its project is bound to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from installation import installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually

POINTS = {
    "job claimed, not announced": "within TopicMaker._write 1",
    "topic made, not recorded": "within TopicMaker._write 2",
    "topic recorded": "after TopicMaker._write 2",
}


def _welcomed(telegram: BotAPIServer, chat: Chat) -> list[int | None]:
    """Return the topics in which the bot has said hello."""
    return [one.thread for one in telegram.visible(chat) if "a conversation of its own" in one.text]


@pytest.mark.parametrize("point", POINTS)
async def test_kill_while_a_topic_is_made_makes_one(tmp_path: Path, point: str) -> None:
    """Telegram makes a topic each time it is asked: it is asked once, and its own news tells which."""
    async with BotAPIServer(private_topics=True) as telegram, installed(tmp_path, telegram) as service:
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(POINTS[point], forked=True)
        await telegram.user_says(ada, "/topic new Shop")
        await service.died()
        await service.start(forked=True)
        await eventually(lambda: _welcomed(telegram, ada), "the topic is there", timeout_seconds=10)
        [thread] = ada.topics
        question = await telegram.user_says(ada, "Please repeat token-1.", thread=thread)
        asked = telegram.message_id_of(question)
        await eventually(
            lambda: any("token-1" in one.text for one in telegram.answers_to(asked, ada)), "it is answered"
        )
    assert _welcomed(telegram, ada) == [thread]
    assert len(telegram.calls_of("createForumTopic")) == 1
