"""A question for permission, and a `kill -9` between it and its answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from installation import installed

from wireroom.testing import BotAPIServer
from wireroom.testing.acp_agent import ScriptedAcpAgent
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ONCE = "✅ Allow once"


def questions(telegram: BotAPIServer, chat: Chat) -> list[SeenMessage]:
    """Return the questions that the chat shows."""
    return [one for one in telegram.visible(chat) if "🔐" in one.text]


@pytest.mark.parametrize("pressed", ["while it is down", "after the restart", "before the kill"])
@pytest.mark.parametrize("by", ["webhook", "polling"])
async def test_a_question_outlives_a_kill(tmp_path: Path, by: str, pressed: str) -> None:
    """Whenever the button is pressed, the agent goes on with that answer, and nobody is asked twice."""
    agent = ScriptedAcpAgent(tmp_path / "acp")
    async with (
        BotAPIServer() as telegram,
        installed(
            tmp_path, telegram, by=by, WIREROOM_BACKEND="acp", WIREROOM_ACP_COMMAND=agent.command
        ) as service,
    ):
        chat = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(forked=True)
        asked = telegram.message_id_of(
            await telegram.user_says(chat, f"ask execute ls; {agent.gate('on')}; write done.txt yes")
        )
        await eventually(lambda: bool(questions(telegram, chat)), "it is asked", timeout_seconds=15)
        [question] = questions(telegram, chat)
        if pressed == "before the kill":
            await telegram.user_presses(question.button(ONCE))
            await eventually(lambda: any(telegram.callback_answers.values()), "it is acknowledged")
        await service.kill()
        if pressed == "while it is down":
            await telegram.user_presses(question.button(ONCE))
        await service.start(forked=True)
        if pressed == "after the restart":
            await eventually(
                lambda: len(agent.received("session/prompt")) == 2, "it asks again", timeout_seconds=15
            )
            await telegram.user_presses(question.button(ONCE))
        agent.open_gate("on")
        await eventually(
            lambda: any("written" in one.text for one in telegram.answers_to(asked, chat)),
            "the agent went on",
            timeout_seconds=20,
        )
        assert len(questions(telegram, chat)) == 1
        options = [
            one["result"]["outcome"]["optionId"]
            for one in agent.received()
            if "outcome" in one.get("result", {})
        ]
        assert set(options) == {"once"}
        assert agent.received("session/load"), "the second attempt took the session up"
