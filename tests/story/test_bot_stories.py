"""Several bots in one installation: each with its own people, repository and troubles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from running_service import API_SECRET, OWNER, client_of, running_service
from wireroom.app.service import Service
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.bot_api.faults import Hang, Refuse, flooded
from wireroom.testing.eventually import eventually

HELPER_TOKEN = "777:helper-token-that-nobody-may-read"
_HELPER = {"name": "helper", "token": HELPER_TOKEN, "repository": "blog", "backend": "demo"}
_GRACE = 8
_HEADERS = {"Authorization": f"Bearer {API_SECRET}"}
pytestmark = pytest.mark.timeout(120)


class _Office:
    """One service, two bots."""

    def __init__(self, service: Service, client: aiohttp.ClientSession, telegram: BotAPIServer) -> None:
        self.service = service
        self.telegram = telegram
        self._client = client

    async def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call the API and return what it says."""
        async with self._client.request(method, path, json=body, headers=_HEADERS) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def texts(self, *paths: str) -> str:
        """Return what pages and routes show, one behind the other."""
        shown = []
        for path in paths:
            async with self._client.get(path, headers=_HEADERS) as response:
                shown.append(await response.text())
        return "\n".join(shown)

    async def state_of(self, name: str) -> str:
        """Return how an added bot is."""
        bots = (await self.api("GET", "/api/bots"))["bots"]
        return next((str(bot["state"]) for bot in bots if bot["name"] == name), "absent")


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def helper(telegram: BotAPIServer) -> BotAPIServer:
    """Lend the second bot's side of Telegram."""
    return await telegram.another_bot(HELPER_TOKEN, "helper_bot")


@pytest.fixture
async def office(database_path: Path, telegram: BotAPIServer) -> AsyncIterator[_Office]:
    """Run the service with the settings' bot and two repositories."""
    repositories = database_path.parent / "repositories"
    (repositories / "blog").mkdir(parents=True)
    async with (
        running_service(
            database_path.parent, telegram, chat_messages_per_second=100, repositories_path=repositories
        ) as service,
        client_of(service) as client,
    ):
        yield _Office(service, client, telegram)


async def _answer(bot: BotAPIServer, chat: Chat, text: str, expected: str, seconds: float = 15) -> None:
    message_id = bot.message_id_of(await bot.user_says(chat, text))

    what = f"{text!r} is answered with {expected!r}"
    await eventually(lambda: _says(bot, chat, message_id, expected), what, seconds)


def _says(bot: BotAPIServer, chat: Chat, message_id: int, expected: str) -> bool:
    return any(expected in reply.text for reply in bot.answers_to(message_id, chat))


async def test_two_bots_have_their_own_people_and_repositories(
    office: _Office,
    telegram: BotAPIServer,
    helper: BotAPIServer,
    database_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A bot that is added at run time serves its own people in its repository; nobody reads its token."""
    ada = telegram.private_chat(telegram.user(OWNER, "Ada"))
    added = await office.api("POST", "/api/bots", _HELPER)
    assert added["warning"] is None
    assert (added["bot"]["username"], added["bot"]["is_active"]) == ("helper_bot", True)
    twin = await office.api("POST", "/api/bots", {"name": "twin", "token": telegram.token})
    assert "the bot of TELEGRAM_BOT_TOKEN" in str(twin)
    code = (await office.api("POST", "/api/bots/helper/pairing-code"))["code"]

    # Who may talk to one bot may not talk to the other, not even by the other's code.
    grace, ada_there = (helper.private_chat(helper.user(*who)) for who in ((_GRACE, "Grace"), (OWNER, "Ada")))
    stranger = telegram.private_chat(telegram.user(_GRACE, "Grace"))
    await _answer(helper, ada_there, "hello", "people I know")
    await _answer(telegram, stranger, code, "people I know")
    await _answer(helper, grace, code, "")
    await _answer(helper, grace, "write from Grace to notes.txt", "notes.txt")
    await _answer(telegram, ada, "write from Ada to notes.txt", "notes.txt")

    root = database_path.parent / "repositories"
    assert (root / "blog" / "notes.txt").read_text().strip() == "from Grace"
    assert (root / "notes.txt").read_text().strip() == "from Ada"
    assert await office.state_of("helper") == "at work"

    shown = await office.texts(
        "/api/bots", "/api/environment", "/api/access/audit", "/metrics", "/ready", "/"
    )
    assert 'wireroom_bot_up{bot="helper"} 1.0' in shown
    stored = b"".join(path.read_bytes() for path in database_path.parent.rglob("*") if path.is_file())
    printed = "".join(capfd.readouterr())
    for secret in (HELPER_TOKEN, HELPER_TOKEN.partition(":")[2]):
        assert secret not in shown
        assert secret.encode() not in stored
        assert secret not in printed


async def test_bot_that_is_removed_leaves_dead_letters_to_itself(
    office: _Office, telegram: BotAPIServer, helper: BotAPIServer
) -> None:
    """What a removed bot has not sent is a dead letter, which that bot alone sends once it is back."""
    await office.api("POST", "/api/bots", _HELPER)
    grace = helper.private_chat(helper.user(_GRACE, "Grace"))
    await _answer(helper, grace, (await office.api("POST", "/api/bots/helper/pairing-code"))["code"], "")

    # Paused: it answers nothing, and loses nothing.
    await office.api("POST", "/api/bots/helper/pause")
    await eventually(lambda: office.service.fleet.is_single, "it pauses")
    waiting = helper.message_id_of(await helper.user_says(grace, "calculate 2 + 2"))
    await _answer(telegram, telegram.private_chat(telegram.user(OWNER, "Ada")), "calculate 3 + 3", "6")
    assert helper.answers_to(waiting, grace) == []
    await office.api("POST", "/api/bots/helper/resume")
    await eventually(
        lambda: any("4" in one.text for one in helper.answers_to(waiting, grace)), "it goes on", 15
    )

    fault = helper.fault(flooded(5), method="sendMessage", count=None)
    asked = helper.message_id_of(await helper.user_says(grace, "calculate 20 + 1"))
    await eventually(
        lambda: helper.calls_of("sendMessage")[-1].outcome.startswith("429"), "it may not send", 15
    )
    removed = await office.api("DELETE", "/api/bots/helper")
    assert removed["unsent"] == 1
    dead = (await office.api("GET", "/api/deliveries?state=dead"))["deliveries"]
    assert "no other bot sends its messages" in dead[0]["error"]
    assert "There is no bot" in str(await office.api("POST", "/api/bots/helper/pause"))

    fault.lift()
    await office.api("POST", "/api/bots", _HELPER)
    await office.api("POST", f"/api/deliveries/{dead[0]['id']}/retry")
    await eventually(
        lambda: any("21" in one.text for one in helper.answers_to(asked, grace)), "it answers", 20
    )
    assert telegram.seen_texts(telegram.private_chat(telegram.user(_GRACE, "Grace"))) == []


async def test_trouble_of_one_bot_is_its_own(
    office: _Office, telegram: BotAPIServer, helper: BotAPIServer
) -> None:
    """A token that Telegram does not know is told in words; one bot's hanging does not slow the other."""
    refused = await office.api("POST", "/api/bots", {"name": "typo", "token": "778:mistyped"})
    assert "Telegram does not know this token" in str(refused)
    assert "mistyped" not in str(refused)
    await office.api("POST", "/api/bots", _HELPER)
    revoked = await telegram.another_bot("779:soon-revoked", "revoked_bot")
    await office.api("POST", "/api/bots", {"name": "revoked", "token": "779:soon-revoked"})
    revoked.fault(Refuse(401, "Unauthorized"), count=None)
    await eventually(
        lambda: any("Bot revoked" in one for one in office.service.fleet.problems), "it is told", 20
    )

    grace = helper.private_chat(helper.user(_GRACE, "Grace"))
    await _answer(helper, grace, (await office.api("POST", "/api/bots/helper/pairing-code"))["code"], "")
    helper.fault(Hang(15), method="sendMessage", count=None)
    for number in range(3):
        await helper.user_says(grace, f"calculate {number} + 1")
    ada = telegram.private_chat(telegram.user(OWNER, "Ada"))
    await _answer(telegram, ada, "calculate 40 + 2", "42", seconds=8)
    checks = await office.api("GET", "/ready")
    assert checks["ready"] is True
    assert any(problem.startswith("Bot revoked: Telegram does not know") for problem in checks["problems"])
    helper.lift_faults()
