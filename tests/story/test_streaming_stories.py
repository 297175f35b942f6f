"""What Ada sees while the agent writes: a draft that grows, a button that stops it, an answer with its table.

The agent is a real program that does what its prompt says; it waits at a gate until the story opens it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenDraft, SeenMessage
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

_ADA = 7


class _Story:
    """Ada's chat, and the agent that works for her."""

    def __init__(self, telegram: BotAPIServer, agent: ScriptedAgent) -> None:
        self.telegram = telegram
        self.agent = agent
        self.chat: Chat = telegram.private_chat(telegram.user(_ADA, "Ada"))

    async def say(self, text: str) -> int:
        """Send a message and return its id."""
        return self.telegram.message_id_of(await self.telegram.user_says(self.chat, text))

    async def answer_to(self, message_id: int, expected: str) -> SeenMessage:
        """Wait for the bot's only reply to say what is expected, and return it."""

        def found() -> bool:
            replies = self.telegram.answers_to(message_id, self.chat)
            return len(replies) == 1 and expected in replies[0].text

        await eventually(found, f"the answer says {expected!r}", timeout_seconds=15)
        return self.telegram.answers_to(message_id, self.chat)[0]

    async def draft(self, expected: str) -> SeenDraft:
        """Wait for a draft that says what is expected, and return it."""

        def found() -> list[SeenDraft]:
            return [one for one in self.telegram.drafts(self.chat) if expected in one.text]

        await eventually(found, f"a draft says {expected!r}", timeout_seconds=15)
        return found()[0]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[_Story]:
    """Run the service with the scripted agent."""
    agent = ScriptedAgent(tmp_path / "agent")
    async with BotAPIServer() as telegram:
        settings = Settings(
            data_dir=tmp_path / "data",
            port=0,
            bot_token=SecretStr(telegram.token),
            telegram_api_url=telegram.url,
            allowed_users=(_ADA,),
            chat_messages_per_second=100,
        )
        async with Service(settings, backend=ScriptedBackend(agent)):
            yield _Story(telegram, agent)


async def test_an_answer_grows_as_a_draft_and_then_stands(story: _Story) -> None:
    """Ada reads along; when the agent is done, the draft gives way to the answer, which rings and stays."""
    asked = await story.say(f"say Reading the code; {story.agent.gate('read')}; say Mended")
    growing = await story.draft("Reading the code")
    assert growing.blocks[0] == {"type": "thinking", "text": "⏳ Working …"}
    assert "⏳" in (await story.answer_to(asked, "⏳")).text
    story.agent.open_gate("read")
    answer = await story.answer_to(asked, "Mended")
    assert answer.text == "Reading the codeMended"
    await eventually(lambda: not story.telegram.drafts(story.chat), "the draft is gone")


async def test_the_button_of_a_draft_stops_its_run_alone(story: _Story) -> None:
    """Ada stops what runs and asks for something else; the old button pressed late does nothing to that."""
    stopped = await story.say(f"say one; {story.agent.gate('never')}")
    first = await story.draft("one")
    await story.telegram.user_stops(first)
    await story.answer_to(stopped, "⏹ Stopped.")
    running = await story.say(f"say two; {story.agent.gate('later')}; say done")
    second = await story.draft("two")
    assert second.draft_id != first.draft_id
    late = {"chat": story.chat.to_json(), "draft_id": first.draft_id}
    await story.telegram.push_raw({"stopped_message_generation": late})
    await story.answer_to(await story.say("/queue"), "say two")
    story.agent.open_gate("later")
    assert (await story.answer_to(running, "done")).text == "twodone"


async def test_answers_stand_in_the_order_of_the_questions(story: _Story) -> None:
    """Ada asks more while she reads along: the progress goes on above, and so does the answer."""
    asked = [await story.say(f"say one; {story.agent.gate('go')}; say more")]
    await story.draft("one")
    asked += [await story.say(text) for text in ("say two", "say three")]
    await story.answer_to(asked[2], "number 2 in line")
    await story.answer_to(asked[0], "one")
    assert story.telegram.drafts(story.chat) == []
    story.agent.open_gate("go")
    for message_id, answer in zip(asked, ("onemore", "two", "three"), strict=True):
        await story.answer_to(message_id, answer)
    replies = [one.reply_to for one in story.telegram.visible(story.chat) if one.from_bot]
    assert replies == asked


async def test_tables_are_rich_unless_ada_wants_text(story: _Story) -> None:
    """`/rich` says how answers look, and changes it for her chat."""
    await story.answer_to(await story.say("/rich"), "Rich messages: auto")
    await story.answer_to(await story.say("/rich off"), "From now on every answer is text.")
    plain = await story.answer_to(await story.say("/help"), "/rich")
    assert plain.blocks == ()
    await story.answer_to(await story.say("/rich on"), "From now on every answer with more than plain")
    assert (await story.answer_to(await story.say("/rich loud"), "Rich messages: on")).blocks == ()
    await story.answer_to(await story.say("/rich auto"), "answers with a table, a plan or a long diff")
