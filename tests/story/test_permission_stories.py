"""What it is like when an agent asks before it acts: buttons in the chat, told from the person's side.

The agent is a scripted one that speaks the Agent Client Protocol; Telegram is played by `BotAPIServer`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection

from running_service import API_SECRET, OWNER, client_of, running_service
from wireroom.app.service import Service
from wireroom.runs.events import StoredEvent, read_events
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import SendMessage
from wireroom.telegram.types import InlineKeyboardButton, InlineKeyboardMarkup
from wireroom.testing import BotAPIServer
from wireroom.testing.acp_agent import ScriptedAcpAgent
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)

ONCE, SESSION, DENY = "✅ Allow once", "✅ Allow for this session", "🚫 Deny"


class Ada:
    """A person with a chat, a bot, and an agent that asks."""

    def __init__(self, telegram: BotAPIServer, agent: ScriptedAcpAgent, data_dir: Path) -> None:
        self.telegram = telegram
        self.agent = agent
        self._data_dir = data_dir

    @asynccontextmanager
    async def service(self, **settings: Any) -> AsyncIterator[Service]:
        """Run Wireroom for her."""
        known: dict[str, Any] = {
            "backend": "acp",
            "acp_command": self.agent.command,
            "chat_messages_per_second": 100,
        }
        async with running_service(self._data_dir, self.telegram, **{**known, **settings}) as service:
            yield service

    @property
    def chat(self) -> Chat:
        """Her chat with the bot."""
        return self.telegram.private_chat(self.telegram.user(OWNER, "Ada"))

    async def say(self, text: str) -> int:
        """Send a message and return its id."""
        return self.telegram.message_id_of(await self.telegram.user_says(self.chat, text))

    def questions(self, message_id: int) -> list[SeenMessage]:
        """Return the questions for permission under a message."""
        return [one for one in self.telegram.answers_to(message_id, self.chat) if "🔐" in one.text]

    async def question(self, message_id: int, number: int = 1) -> SeenMessage:
        """Wait for the question with its buttons."""
        await eventually(lambda: len(self.questions(message_id)) >= number, f"question {number} is asked")
        return self.questions(message_id)[number - 1]

    async def press(self, question: SeenMessage, button: str) -> str:
        """Press a button and return the line that acknowledges it."""
        before = set(self.telegram.callback_answers)
        person = self.telegram.user(OWNER, "Ada")
        await self.telegram.user_presses(question.button(button), user=person)

        def acknowledged() -> list[str]:
            answers = self.telegram.callback_answers.items()
            return [str(said["text"]) for number, said in answers if number not in before and said]

        await eventually(acknowledged, "the press is acknowledged")
        return acknowledged()[0]

    async def answer(self, message_id: int, expected: str) -> None:
        """Wait for an answer that says this."""
        answers = self.telegram.answers_to
        await eventually(
            lambda: any(expected in one.text for one in answers(message_id, self.chat)),
            f"the answer says {expected!r}",
            timeout_seconds=15,
        )


@pytest.fixture
async def ada(database_path: Path, tmp_path: Path) -> AsyncIterator[Ada]:
    """Lend Ada, her chat, and an agent that asks."""
    async with BotAPIServer() as telegram:
        yield Ada(telegram, ScriptedAcpAgent(tmp_path / "agent"), database_path.parent)


async def test_a_question_is_answered_by_a_button(ada: Ada) -> None:
    """The agent asks under Ada's message what it may do; she presses a button and it goes on."""
    async with ada.service():
        asked = await ada.say("ask execute rm -rf build; write done.txt yes")
        question = await ada.question(asked)
        assert "execute" in question.text
        assert "rm -rf build" in question.text
        assert await ada.press(question, ONCE) == "Allowed."
        await ada.answer(asked, "written")


async def test_a_denial_is_obeyed(ada: Ada) -> None:
    """What Ada denies is not done, and the agent hears it."""
    async with ada.service():
        asked = await ada.say("ask execute rm -rf /")
        assert await ada.press(await ada.question(asked), DENY) == "Denied."
        await ada.answer(asked, "denied")


async def test_once_is_once_and_a_session_lasts(ada: Ada) -> None:
    """Allowed once is asked again; allowed for the session is not, until a new conversation begins."""
    async with ada.service():
        asked = await ada.say("ask execute ls; ask execute ls; ask execute pwd")
        await ada.press(await ada.question(asked), ONCE)
        await ada.press(await ada.question(asked, 2), SESSION)
        await ada.answer(asked, "allowed")
        again = await ada.say("ask execute ls")
        await ada.answer(again, "allowed")
        assert len(ada.questions(asked)) == 2
        assert ada.questions(again) == []
        await ada.say("/new")
        anew = await ada.say("ask execute ls")
        await ada.press(await ada.question(anew), DENY)
        await ada.answer(anew, "denied")


async def test_nobody_answers_and_the_default_holds(ada: Ada) -> None:
    """A question that nobody answers is denied after its time, and a late press says so."""
    async with ada.service(permission_seconds=1.0):
        asked = await ada.say("ask execute ls")
        question = await ada.question(asked)
        await ada.answer(asked, "denied")
        assert "Too late" in await ada.press(question, ONCE)


async def test_the_first_press_counts(ada: Ada) -> None:
    """A second press on the same question changes nothing and says so."""
    async with ada.service():
        asked = await ada.say(f"ask execute ls; {ada.agent.gate('end')}")
        question = await ada.question(asked)
        await ada.press(question, ONCE)
        assert "answered this already" in await ada.press(question, DENY)
        ada.agent.open_gate("end")
        await ada.answer(asked, "allowed")


async def test_rules_ask_nobody(ada: Ada) -> None:
    """What a rule allows or denies needs no person; the first that fits wins."""
    rules = ("read*=allow", "execute=deny", "*=ask")
    async with ada.service(permission_rules=rules):
        reads = await ada.say("ask read notes.txt")
        await ada.answer(reads, "allowed")
        acts = await ada.say("ask execute ls")
        await ada.answer(acts, "denied")
        assert ada.questions(reads) == ada.questions(acts) == []


async def test_stop_withdraws_the_question(ada: Ada) -> None:
    """A request that is stopped while it waits for an answer ends at once; its buttons are too late."""
    async with ada.service():
        asked = await ada.say("ask execute ls; hang")
        question = await ada.question(asked)
        await ada.say("/stop")
        await ada.answer(asked, "⏹ Stopped.")
        assert "Too late" in await ada.press(question, ONCE)


async def test_a_question_survives_a_restart(ada: Ada) -> None:
    """Wireroom restarts between question and answer: the same buttons work, and nobody is asked twice."""
    async with ada.service() as service:
        asked = await ada.say("ask execute ls")
        question = await ada.question(asked)
        service.hurry()
    async with ada.service():
        assert await ada.press(question, ONCE) == "Allowed."
        await ada.answer(asked, "allowed")
        assert len(ada.questions(asked)) == 1


async def test_a_press_elsewhere_is_gone(ada: Ada) -> None:
    """Buttons work only in the chat that they were shown in."""
    async with ada.service():
        asked = await ada.say("ask execute ls")
        question = await ada.question(asked)
        group = ada.telegram.group("Team")
        copied = InlineKeyboardButton(text="Copied", callback_data=question.button(ONCE).data)
        async with aiohttp.ClientSession() as http:
            client = TelegramClient(ada.telegram.token, http, ada.telegram.url)
            markup = InlineKeyboardMarkup(inline_keyboard=[[copied]])
            sent = await client.call(SendMessage(chat_id=group.id, text="x", reply_markup=markup))
        elsewhere = ada.telegram.message(group, sent.message_id)
        assert await ada.press(elsewhere, "Copied") == "That question is gone."
        await ada.press(question, DENY)
        await ada.answer(asked, "denied")


async def test_a_program_answers_over_the_api(ada: Ada) -> None:
    """What waits is listed by the API, and answered there once."""
    async with ada.service() as service, client_of(service) as client:
        headers = {"Authorization": f"Bearer {API_SECRET}"}
        asked = await ada.say("ask execute ls")
        await ada.question(asked)
        async with client.get("/api/permissions", headers=headers) as reply:
            [waiting] = (await reply.json())["permissions"]
        assert (waiting["tool"], waiting["subject"], waiting["open"]) == ("execute", "ls", True)
        path = f"/api/permissions/{waiting['id']}"
        async with client.post(path, headers=headers, json={"answer": "session"}) as reply:
            assert (reply.status, (await reply.json())["state"]) == (200, "allowed_session")
        await ada.answer(asked, "allowed")
        async with client.post(path, headers=headers, json={"answer": "deny"}) as reply:
            assert reply.status == 409
        async with client.post(f"{path}x", headers=headers, json={"answer": "deny"}) as reply:
            assert reply.status == 404
        async with client.post(path, json={"answer": "deny"}) as reply:
            assert reply.status == 401


async def test_an_unattended_run_has_the_default_at_once(ada: Ada) -> None:
    """A program's request asks nobody: the default holds at once, and the log says so."""
    async with ada.service() as service, client_of(service) as client:
        headers = {"Authorization": f"Bearer {API_SECRET}", "X-Webhook-Secret": API_SECRET}
        async with client.post(
            "/cursor/execute", headers=headers, json={"prompt": "ask execute ls", "id": "job-1"}
        ) as reply:
            assert (await reply.json())["output"] == "denied"

        def log(conn: Connection) -> list[StoredEvent]:
            run_id: str = conn.exec_driver_sql("SELECT id FROM runs").scalar_one()
            return [one for one in read_events(conn, run_id) if one.kind == "permission"]

        [told] = await service.services.db.read(log)
        assert (told.payload["state"], "nobody can be asked" in told.payload["summary"]) == ("denied", True)
