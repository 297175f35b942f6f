"""Added bots where several processes share PostgreSQL: any takes updates, one polls, any answers."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from replicas import Machine, program_of
from wireroom.app.roles import Role
from wireroom.app.service import Service
from wireroom.intake.bots import get_bot
from wireroom.sealing import seal_of
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]
TOKEN = "777:helper-token"
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


async def _told(bot: BotAPIServer, chat: Chat, text: str, expected: str) -> None:
    message_id = bot.message_id_of(await bot.user_says(chat, text))

    def shown() -> bool:
        return [expected in one.text for one in bot.answers_to(message_id, chat)] == [True]

    await eventually(shown, f"{text!r} is answered by {expected!r}, once", 20)


async def _webhook_secret(service: Service) -> str:
    bot = await service.services.db.read(lambda conn: get_bot(conn, "helper"))
    return bot.opened_webhook_secret(seal_of(service.settings)())


async def test_bot_that_one_process_adds_is_served_by_all(tmp_path: Path, postgres: PostgresServer) -> None:
    """A web process adds it and takes updates, workers answer; when the one that polls ends, another does."""
    folder = tmp_path / "agent"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(BotAPIServer())
        helper = await telegram.another_bot(TOKEN, "helper_bot")
        settings = {
            "bot_token": SecretStr(telegram.token),
            "telegram_api_url": telegram.url,
            "secrets_key": SecretStr("a key of the test that is long enough"),
            "chat_messages_per_second": 1000.0,
        }
        url = stack.enter_context(postgres.database())
        machine = Machine(tmp_path, url, ScriptedAgent(folder), settings)
        web = await stack.enter_async_context(machine.running(Role.WEB, "web"))
        program = await stack.enter_async_context(program_of(web))
        grace = helper.private_chat(helper.user(8, "Grace"))
        async with machine.running(Role.WORKER, "leads") as leads:
            stays = await stack.enter_async_context(machine.running(Role.WORKER, "stays"))
            async with program.post("/api/bots", json={"name": "helper", "token": TOKEN}) as response:
                assert response.status == 201
            async with program.post("/api/bots/helper/pairing-code") as response:
                await _told(helper, grace, (await response.json())["code"], "")
            await _told(helper, grace, "say token-one", "token-one")
            await eventually(
                lambda: all(one.fleet.bot(777) for one in (web, stays, leads)), "all know it", 10
            )

            path, right = "/telegram/webhook/777", {SECRET_HEADER: await _webhook_secret(web)}
            for headers, status in (({SECRET_HEADER: "wrong"}, 401), ({}, 401), (right, 200)):
                async with program.post(path, json={"update_id": 900_001}, headers=headers) as response:
                    assert response.status == status
        await _told(helper, grace, "say token-two", "token-two")
        async with program.delete("/api/bots/helper") as response:
            assert (await response.json())["unsent"] == 0
        await eventually(lambda: not (web.fleet.bot(777) or stays.fleet.bot(777)), "it is served no more", 10)
        async with program.post(path, json={"update_id": 900_002}, headers=right) as response:
            assert response.status == 404
