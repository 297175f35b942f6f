"""Groups and topics: a topic for each project, and nothing for those who talk to each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from running_service import OWNER, running_service
from wireroom.app.service import Service
from wireroom.runs.look import Wanted, look_for_runs
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, Piece, SeenMessage
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
_NAME = "@wireroom_test_bot"
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
_WELCOME = "This topic has a conversation of its own"


class _Team:
    """Ada, whom the bot knows, and Ben, whom it does not, in a group with topics."""

    def __init__(self, telegram: BotAPIServer, database_path: Path) -> None:
        self.telegram = telegram
        self.ada = telegram.user(OWNER, "Ada")
        self.ben = telegram.user(8, "Ben")
        self.group: Chat = telegram.group("Team", forum=True)
        self.repositories = database_path.parent / "repositories"
        self._data = database_path.parent

    @asynccontextmanager
    async def service(self) -> AsyncIterator[Service]:
        """Run the service, with two repositories."""
        for name in ("shop", "till"):
            (self.repositories / name).mkdir(parents=True, exist_ok=True)
        async with running_service(
            self._data,
            self.telegram,
            repositories_path=self.repositories,
            chat_messages_per_second=100,
            group_messages_per_minute=1000,
        ) as service:
            yield service

    async def ask(
        self, text: str, expected: str, thread: int | None = None, chat: Chat | None = None
    ) -> SeenMessage:
        """Let Ada say something and return the bot's message with these words that answers it."""
        place = chat or self.group
        update = await self.telegram.user_says(place, text, user=self.ada, thread=thread)
        asked = self.telegram.message_id_of(update)

        def answers() -> list[SeenMessage]:
            return [one for one in self.telegram.answers_to(asked, place) if expected in one.text]

        await eventually(answers, f"{text!r} is answered with {expected!r}", timeout_seconds=15)
        return answers()[0]

    async def new_topic(self, words: str, chat: Chat | None = None) -> int:
        """Let Ada have a topic made, and return its thread once the bot has said hello in it."""
        place = chat or self.group
        known = set(place.topics)
        await self.ask(f"/topic new {words}", "is there", chat=place)
        [thread] = set(place.topics) - known
        await self.said(_WELCOME, thread, place)
        return thread

    async def said(self, words: str, thread: int | None, chat: Chat | None = None) -> SeenMessage:
        """Wait until the bot has said these words in the topic, or outside any, and return its message."""

        def found() -> list[SeenMessage]:
            shown = self.telegram.visible(chat or self.group)
            return [one for one in shown if one.from_bot and one.thread == thread and words in one.text]

        await eventually(found, f"the bot says {words!r} in {thread}", timeout_seconds=15)
        return found()[0]

    def pictures(self) -> list[Path]:
        """Return the pictures that were fetched for agents."""
        return list(self._data.rglob("photo_*.jpg"))

    def words(self) -> list[str]:
        """Return all that the bot has said in the group."""
        me = self.telegram.bot.id
        return [one.text for one in self.telegram.visible(self.group) if one.sender_id == me]


@pytest.fixture
async def team(database_path: Path) -> AsyncIterator[_Team]:
    """Play Telegram, with topics in private chats, too."""
    async with BotAPIServer(private_topics=True) as telegram:
        yield _Team(telegram, database_path)


async def test_two_topics_are_two_projects(team: _Team) -> None:
    """Ada has a topic for each repository: each has its conversation and keeps its place over /new."""
    async with team.service():
        shop = await team.new_topic("shop")
        till = await team.new_topic("Cash desk till")
        assert team.group.topics == {shop: "shop", till: "Cash desk"}
        await team.ask("write hello to here.txt", "here.txt", shop)
        assert (team.repositories / "shop" / "here.txt").exists()
        await team.ask("what did I ask before?", "This is your first request here.", till)
        await team.ask("/new", "New conversation", shop)
        await team.ask("what did I ask before?", "This is your first request here.", shop)
        await team.ask("read here.txt", "hello", shop)
        await team.ask("/repo till", "in till", shop)
        await team.ask("write x to moved.txt", "moved.txt", shop)
        assert (team.repositories / "till" / "moved.txt").exists()
        listed = await team.ask("/topic", "shop: till")
        assert "Cash desk: till" in listed.text


@pytest.mark.one_process("a start of a cluster has a database of its own")
async def test_project_of_a_topic_survives_a_restart(team: _Team) -> None:
    """The next start knows the topic, its project and what was said in it; the page knows its name."""
    async with team.service():
        shop = await team.new_topic("shop")
        await team.ask("write x to first.txt", "first.txt", shop)
    async with team.service() as service:
        await team.ask("what did I ask before?", "write x to first.txt", shop)
        looked = await service.services.db.read(lambda conn: look_for_runs(conn, Wanted(), 1))
        assert [line.topic for line in looked.lines] == ["shop"]
        await team.ask("/new", "New conversation", shop)
        await team.ask("write y to after.txt", "after.txt", shop)
    assert (team.repositories / "shop" / "after.txt").exists()


async def test_who_does_not_speak_to_the_bot_hears_nothing_of_it(team: _Team) -> None:
    """People talk in the group; the bot answers its name, its commands, answers to it, and projects."""
    async with team.service():
        beside = await team.telegram.user_makes_topic(team.group, "Lunch", user=team.ben)
        for user in (team.ada, team.ben):
            await team.telegram.user_says(team.group, "shall we run the tests?", user=user)
            await team.telegram.user_says(team.group, "lunch?", user=user, thread=beside)
        answer = await team.ask(f"{_NAME}, calculate 6 * 7", "42")
        assert team.words() == [answer.text]
        reply = await team.telegram.user_says(
            team.group, "what did I ask before?", user=team.ada, reply_to=answer.id
        )
        await eventually(
            lambda: team.telegram.answers_to(team.telegram.message_id_of(reply), team.group),
            "an answer to the bot is answered",
        )
        wish = await team.telegram.user_says(team.group, "write hi to wish.txt", user=team.ben)
        below = team.telegram.message_id_of(wish)
        await team.telegram.user_says(team.group, _NAME, user=team.ada, reply_to=below)
        await team.ask(f"{_NAME} what did I ask before?", "write hi to wish.txt")
        await team.ask("/status@wireroom_test_bot", "online", beside)
        await team.ask(f"calculate 2 * 3, {_NAME}", "6", beside)
        shop = await team.new_topic("shop")
        await team.ask("calculate 5 * 5", "25", shop)
        before = len(team.words())
        await team.telegram.user_says(team.group, "/status@other_bot", user=team.ada, thread=shop)
        await team.ask(f"{_NAME} calculate 3 * 3", "9")
        assert len(team.words()) == before + 1


async def test_album_with_the_name_below_one_picture_is_given_whole(team: _Team) -> None:
    """Telegram tells of each picture by itself: those without words belong to the one with the bot's name."""
    async with team.service():
        beside = [Piece(_JPEG + b"4", "our lunch"), Piece(_JPEG + b"5")]
        await team.telegram.user_sends_album(team.group, beside, user=team.ben)
        given = [Piece(_JPEG + b"1", f"{_NAME} compare"), Piece(_JPEG + b"2"), Piece(_JPEG + b"3")]
        await team.telegram.user_sends_album(team.group, given, user=team.ada)
        await eventually(lambda: len(team.pictures()) == 3, "all three are there")
        await eventually(lambda: len(team.words()) == 1, "they are one request")
    assert sorted(picture.read_bytes()[-1:] for picture in team.pictures()) == [b"1", b"2", b"3"]


async def test_strangers_and_nameless_speakers_are_told_once(team: _Team) -> None:
    """Access is a person's: Ben is refused once, and so is an administrator who hides behind the group."""
    async with team.service():
        for _ in range(2):
            await team.telegram.user_says(team.group, f"{_NAME} calculate 1 * 1", user=team.ben)
            await team.telegram.chat_says(team.group, f"{_NAME} calculate 1 * 1")
        await team.ask(f"{_NAME} calculate 6 * 7", "42")
        told = team.words()
        assert sum("I only work for people I know" in one for one in told) == 1
        assert sum("Remain anonymous" in one for one in told) == 1
        assert len(told) == 3


async def test_answer_of_a_deleted_topic_arrives_in_general(team: _Team) -> None:
    """Ben deletes the topic while the agent works there: the answer comes in General, and says why."""
    async with team.service():
        thread = await team.new_topic("Shop")
        await team.telegram.user_says(team.group, "count to 3 slowly", user=team.ada, thread=thread)
        await team.said("1", thread)
        await team.telegram.user_deletes_topic(team.group, thread)
        shown = await team.said("From the topic “Shop”, which is closed or gone:", None)
        await team.said("3", None)
        assert shown.thread is None
        await team.ask("/topic", "I know of no topics here.")


async def test_topics_are_renamed_and_closed_from_the_chat(team: _Team) -> None:
    """What people and the bot call a topic is known; what cannot be done is said with its remedy."""
    async with team.service():
        thread = await team.new_topic("shop")
        await team.telegram.user_says(team.group, "/topic rename Web shop", user=team.ada, thread=thread)
        await eventually(lambda: team.group.topics == {thread: "Web shop"}, "it is renamed")
        await team.ask("/topic", "Web shop: shop")
        await team.telegram.user_renames_topic(team.group, thread, "Store", user=team.ben)
        await team.telegram.user_says(team.group, "/topic close", user=team.ada, thread=thread)
        await eventually(lambda: team.group.closed == {thread}, "it is closed")
        await team.ask("/topic", "Store (closed): shop")
        await team.ask("/topic close", "Send this in the topic")
        await team.ask("/topic what", "/topic new NAME")
        team.group.bot_manages_topics = False
        await team.ask("/topic new Till", "make me an administrator with the right “Manage topics”")
        plain = team.telegram.group("Plain")
        await team.ask("/topic new Till", "switch them on in the group's settings", chat=plain)
        alone = team.telegram.private_chat(team.ada)
        mine = await team.new_topic("till", alone)
        await team.ask("write z to mine.txt", "mine.txt", mine, alone)
        assert (team.repositories / "till" / "mine.txt").exists()
        await team.ask("/topic close", "can be deleted, by you, but not closed", mine, alone)


async def test_group_that_becomes_a_supergroup_goes_on(team: _Team) -> None:
    """The agent is at work when the group gets another id: its answer comes there, and it remembers."""
    async with team.service():
        small = team.telegram.group("Small")
        await team.telegram.user_says(small, f"{_NAME} count to 3 slowly", user=team.ada)
        await team.said("1", None, small)
        large = await team.telegram.group_becomes_supergroup(small, user=team.ada)
        await team.said("3", None, large)
        await team.ask(f"{_NAME} what did I ask before?", "count to 3 slowly", chat=large)
