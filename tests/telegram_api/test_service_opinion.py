"""The whole service with a bot that lives in an emulator others wrote: by polling and by webhook."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from running_service import WEBHOOK_SECRET, count, running_service
from telegram_api.emulator import TOKEN, Emulator
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually

_SECONDS = 30


def _bot(emulator: Emulator) -> dict[str, Any]:
    return {"bot_token": TOKEN, "telegram_api_url": emulator.address, "chat_messages_per_second": 100}


async def _answers(emulator: Emulator, expected: str) -> list[dict[str, Any]]:
    """Return the messages that show the expected text, once there is one."""

    async def matching() -> list[dict[str, Any]]:
        return [one for one in (await emulator.shown()).values() if expected in one.get("text", "")]

    async def some() -> bool:
        return bool(await matching())

    await eventually(some, f"an answer shows {expected!r}", _SECONDS)
    return await matching()


async def _all_delivered(service: Service) -> None:
    """Wait until the service knows of every answer that the chat shows it."""

    async def done() -> bool:
        return await service.services.db.read(count("deliveries WHERE state != 'sent'")) == 0

    await eventually(done, "every answer is delivered", _SECONDS)


async def test_people_are_answered_once_each_by_polling(emulator: Emulator, database_path: Path) -> None:
    """Two requests, two answers, although edits are answered with null and much is not known there."""
    async with running_service(database_path.parent, **_bot(emulator)) as service:
        await emulator.say("calculate 6 * 7")
        await emulator.say("calculate 100 + 23")
        first, second = await _answers(emulator, "42"), await _answers(emulator, "123")
        await _all_delivered(service)
        assert (first, second) == (await _answers(emulator, "42"), await _answers(emulator, "123"))
    assert (len(first), len(second)) == (1, 1)


@asynccontextmanager
async def _public_address(target: asyncio.Future[str]) -> AsyncIterator[str]:
    """Stand where Telegram calls, and add the secret that the emulator does not know."""

    async def pass_on(request: web.Request) -> web.Response:
        headers = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET, "Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(await target) as http,
            http.post(request.path, data=await request.read(), headers=headers) as response,
        ):
            return web.Response(status=response.status, body=await response.read())

    app = web.Application()
    app.router.add_post("/{path:.*}", pass_on)
    async with TestServer(app) as server:
        yield str(server.make_url(""))


async def test_people_are_answered_once_by_webhook(emulator: Emulator, database_path: Path) -> None:
    """What the emulator pushes is stored, worked and answered like what Telegram pushes."""
    target: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with (
        _public_address(target) as address,
        running_service(database_path.parent, **_bot(emulator), telegram_webhook_base_url=address) as service,
    ):
        target.set_result(service.address)

        async def pushed() -> bool:
            await emulator.say("calculate 6 * 7")
            return bool(await service.services.db.read(count("updates")))

        await eventually(pushed, "an update is pushed", _SECONDS)
        await _answers(emulator, "42")
        await _all_delivered(service)
        asked = await service.services.db.read(count("updates"))
        assert len(await _answers(emulator, "42")) == asked
