"""What messages mean that come while the agent works: they wait, are collected, steer it or interrupt it.

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
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent, TalkingBackend

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
        """Wait for the bot's reply to say what is expected, and return it."""

        def matching() -> list[SeenMessage]:
            replies = self.telegram.answers_to(message_id, self.chat)
            return [reply for reply in replies if expected in reply.text]

        try:
            await eventually(matching, f"the answer says {expected!r}", timeout_seconds=10)
        except AssertionError as error:
            shown = [message.text for message in self.telegram.visible(self.chat)]
            raise AssertionError(f"{error}; the chat shows {shown}") from error
        return matching()[0]

    async def choose(self, mode: str) -> None:
        """Choose what messages mean from now on."""
        await self.answer_to(await self.say(f"/busy {mode}"), "From now on")

    async def work(self, gate: str, then: str = "say done") -> int:
        """Have the agent begin something that ends when the gate is opened; return the message's id."""
        message_id = await self.say(f"say at {gate}; {self.agent.gate(gate)}; {then}")
        await eventually(
            lambda: any(f"at {gate}" in text for text in self.telegram.bot_says(self.chat)),
            f"the agent is at {gate}",
            timeout_seconds=10,
        )
        return message_id

    def prompts(self) -> list[str]:
        """Return what the agent was asked, in order."""
        return [entry.prompt for entry in self.agent.ledger.entries() if entry.what == "start"]


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
        async with Service(settings, backend=TalkingBackend(agent)):
            yield _Story(telegram, agent)


async def test_messages_are_collected_into_one_request(story: _Story) -> None:
    """What Ada adds while the agent works is asked together, in order and corrected, and answered once."""
    await story.answer_to(await story.say("/busy"), "followup (now)")
    await story.answer_to(await story.say("/busy loud"), "There is no mode loud.")
    await story.choose("collect")
    first = await story.work("one")
    second = await story.say("say red")
    await story.answer_to(second, "1 message collected, number 1 in line")
    third, fourth = await story.say("say grean"), await story.say("say blue")
    await story.answer_to(second, "3 messages collected, number 1 in line")
    await story.answer_to(await story.say("/queue"), "1. say red")
    await story.telegram.user_edits(story.chat, third, "say green")
    story.agent.open_gate("one")
    await story.answer_to(first, "done")
    await story.answer_to(second, "redgreenblue")
    assert story.prompts()[1:] == ["say red\n\nsay green\n\nsay blue"]
    assert [story.telegram.answers_to(one, story.chat) for one in (third, fourth)] == [[], []]


async def test_a_message_interrupts_the_agent_and_comes_next(story: _Story) -> None:
    """Ada changes her mind: the agent stops, does the new thing knowing why, and then what waited before."""
    first = await story.work("one")
    waiting = await story.say("say waited")
    await story.answer_to(waiting, "number 1 in line")
    await story.choose("interrupt")
    urgent = await story.say("say urgent")
    await story.answer_to(first, "⏹ Stopped.")
    await story.answer_to(urgent, "say urgent")
    await story.answer_to(waiting, "waited")
    assert [prompt.rpartition("\n")[2] for prompt in story.prompts()[1:]] == ["say urgent", "say waited"]
    assert "interrupted what you were working on" in story.prompts()[1]


async def test_a_message_steers_the_agent_at_work(story: _Story) -> None:
    """Ada tells the agent more while it works; what it has not heard when it ends is asked by itself."""
    await story.choose("steer")
    first = await story.work("one", then=f"hear 10; say heard; {story.agent.gate('two')}")
    told, late = await story.say("blue"), await story.say("say too late")
    await story.answer_to(told, "Telling the agent")
    await story.answer_to(await story.say("/new"), "New conversation")
    fresh = await story.say("say fresh")  # The agent at work belongs to the conversation before.
    await story.answer_to(fresh, "number 3 in line")
    story.agent.open_gate("one")
    await story.answer_to(told, "The agent at work was told")
    story.agent.open_gate("two")
    await story.answer_to(first, "at oneblueheard")
    await story.answer_to(late, "too late")
    await story.answer_to(fresh, "fresh")
    assert story.prompts()[1:] == ["say too late", "say fresh"]
    await story.answer_to(await story.say("/retry"), "fresh")


async def test_those_who_wait_see_how_they_move_up(story: _Story) -> None:
    """Ada sees her place in line change as those before it end, until it says that her own is worked on."""
    await story.work("one")
    second = await story.say(f"{story.agent.gate('two')}; say second")
    third = await story.say("say third")
    await story.answer_to(third, "number 2 in line")
    story.agent.open_gate("one")
    await story.answer_to(second, "Working")
    await story.answer_to(third, "number 1 in line")
    story.agent.open_gate("two")
    await story.answer_to(second, "second")
    await story.answer_to(third, "third")


async def test_a_side_question_is_answered_beside_the_work(story: _Story) -> None:
    """Ada asks something by the way: it is answered at once, by another agent, and disturbs nothing."""
    await story.answer_to(await story.say("/btw"), "Ask what you want to know")
    first = await story.work("one")
    waiting = await story.say("say waited")
    await story.answer_to(await story.say("/btw say aside"), "Side answer\n\naside")
    held = await story.say(f"/btw say held; {story.agent.gate('two')}")
    await story.answer_to(held, "Working")
    await story.answer_to(await story.say("/btw say more"), "One side question at a time")
    await story.answer_to(waiting, "number 1 in line")
    await story.answer_to(await story.say("/stop"), "1 waiting will still run")
    await story.answer_to(first, "⏹ Stopped.")
    await story.answer_to(waiting, "waited")
    await story.answer_to(await story.say("/stop"), "⏹ Stopped.")
    aside = await story.answer_to(held, "⏹ Stopped.")
    assert aside.text.startswith("💬 Side answer")
    assert aside.buttons == ()
    last = await story.say("/retry")
    await story.answer_to(last, "waited")
