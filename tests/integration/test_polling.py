"""Updates by long polling: acknowledged only when they are stored, and with a word on whatever is wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection

from running_service import OWNER, StoreFault, client_of, count, running_service
from wireroom.app.engine import Engine, open_engine
from wireroom.app.service import Service
from wireroom.clock import SystemClock
from wireroom.intake.accept import next_offset
from wireroom.intake.polling import ALLOWED_UPDATES, Poller
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import SetWebhook
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import When, broken, flooded
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def service(database_path: Path, telegram: BotAPIServer) -> AsyncIterator[Service]:
    """Lend a running service that polls."""
    async with running_service(database_path.parent, telegram) as running:
        yield running


@contextlib.asynccontextmanager
async def _polling(
    folder: Path, telegram: BotAPIServer, fault: StoreFault | None = None
) -> AsyncIterator[tuple[Poller, Engine]]:
    """Run a poller alone, with a short hold, on a store that may refuse."""
    opener = open_engine if fault is None else fault.engine
    settings = Settings(data_dir=folder)
    async with opener(settings, SystemClock()) as engine, aiohttp.ClientSession() as session:
        client = TelegramClient(telegram.token, session, telegram.url)
        poller = Poller(client, engine.db, engine.jobs, SystemClock(), timeout=timedelta(seconds=1))
        task = asyncio.create_task(poller.run())
        try:
            yield poller, engine
            assert not task.done(), "the poller must never end on its own"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _offset(telegram: BotAPIServer) -> int | None:
    """Return the offset of the last request that asked for updates."""
    offset = telegram.calls_of("getUpdates")[-1].params.get("offset")
    return None if offset is None else int(offset)


def _stored_offset(conn: Connection) -> int | None:
    return next_offset(conn, 123456)


async def _problems(service: Service) -> list[str]:
    async with client_of(service) as http, http.get("/ready") as response:
        assert response.status == 200
        found: list[str] = (await response.json())["problems"]
        return found


async def test_polled_message_is_answered(service: Service, telegram: BotAPIServer) -> None:
    """Without a public address a person is answered all the same, and only wanted kinds are asked for."""
    chat = telegram.private_chat(telegram.user(OWNER))
    await telegram.user_says(chat, "/queue")
    await eventually(
        lambda: telegram.visible(chat)[-1].text == "Nothing runs and nothing waits.", "the answer"
    )
    first = telegram.calls_of("getUpdates")[0].params

    assert first["allowed_updates"] == ALLOWED_UPDATES
    assert "offset" not in first
    assert await _problems(service) == []


async def test_offset_moves_on_only_after_the_commit(database_path: Path, telegram: BotAPIServer) -> None:
    """While the store refuses, the same updates are fetched again and again and none is acknowledged."""
    fault = StoreFault()
    chat = telegram.private_chat(telegram.user(OWNER))
    async with _polling(database_path.parent, telegram, fault) as (poller, engine):
        await eventually(lambda: telegram.calls_of("getUpdates"), "polling")
        hold = telegram.hold("getUpdates", When.AFTER)
        updates = [await telegram.user_says(chat, text) for text in ("one", "two", "three")]
        await hold.reached()
        fault.reason = "The disk is full."
        hold.release()
        await eventually(lambda: poller.problem == "The disk is full.", "the store's words")
        assert telegram.pending_updates > 0
        fault.reason = None
        await eventually(lambda: telegram.pending_updates == 0, "all are acknowledged", 10)
        await eventually(lambda: poller.problem is None, "all is well")

        assert await engine.db.read(count("updates")) == len(updates)
        assert await engine.db.read(_stored_offset) == updates[-1] + 1
        assert _offset(telegram) == updates[-1] + 1


async def test_restart_goes_on_where_the_last_commit_was(database_path: Path, telegram: BotAPIServer) -> None:
    """A new start asks from the stored offset; updates stored but not acknowledged are not doubled."""
    chat = telegram.private_chat(telegram.user(OWNER))
    async with _polling(database_path.parent, telegram) as (_, engine):
        update = await telegram.user_says(chat, "one")
        await eventually(lambda: engine.db.read(_stored_offset), "it is stored")
    payload = telegram.update(update)
    await telegram.push_raw(payload)
    calls = len(telegram.calls_of("getUpdates"))
    async with _polling(database_path.parent, telegram) as (_, engine):
        await eventually(lambda: len(telegram.calls_of("getUpdates")) > calls, "polling again")
        assert telegram.calls_of("getUpdates")[calls].params["offset"] == update + 1
        assert await engine.db.read(count("updates")) == 1


async def test_silence_of_a_week_does_not_cost_the_next_message(
    database_path: Path, telegram: BotAPIServer
) -> None:
    """After it Telegram may restart its ids lower: no old offset discards what comes then."""
    await telegram.push_raw({"update_id": 900, "message": None, "novelty": [1]})
    async with _polling(database_path.parent, telegram) as (_, engine):
        await eventually(lambda: engine.db.read(_stored_offset), "it is stored")
        week_ms = 7 * 24 * 60 * 60 * 1000
        await engine.db.write(
            lambda conn: conn.exec_driver_sql(f"UPDATE updates SET received_at = received_at - {week_ms}")
        )
    await telegram.push_raw({"update_id": 5, "message": None, "novelty": [1]})
    calls = len(telegram.calls_of("getUpdates"))
    async with _polling(database_path.parent, telegram) as (_, engine):
        await eventually(lambda: telegram.pending_updates == 0, "the new one is fetched and acknowledged", 10)

        assert "offset" not in telegram.calls_of("getUpdates")[calls].params
        assert await engine.db.read(count("updates")) == 2


async def test_error_of_our_own_does_not_end_polling(database_path: Path, telegram: BotAPIServer) -> None:
    """A defect in the storing of an update is told, and polling goes on once it is over."""
    async with _polling(database_path.parent, telegram) as (poller, engine):
        await engine.db.write(lambda conn: conn.exec_driver_sql("ALTER TABLE updates RENAME TO hidden"))
        await telegram.push_raw({"update_id": 5, "message": None, "novelty": [1]})
        await eventually(lambda: poller.problem is not None, "the defect is noticed", 10)
        await engine.db.write(lambda conn: conn.exec_driver_sql("ALTER TABLE hidden RENAME TO updates"))
        await eventually(lambda: engine.db.read(count("updates")), "the update is stored", 10)


async def test_webhook_that_stands_in_the_way_is_explained(service: Service, telegram: BotAPIServer) -> None:
    """While a webhook is set /ready names the two remedies; once it is removed, updates come."""
    async with aiohttp.ClientSession() as session:
        client = TelegramClient(telegram.token, session, telegram.url)
        await eventually(lambda: telegram.calls_of("getUpdates"), "polling")
        await client.call(SetWebhook(url="http://127.0.0.1:9/x"))

        async def explained() -> bool:
            return any("wireroom telegram delete-webhook" in one for one in await _problems(service))

        await eventually(explained, "the conflict is explained", 20)
    assert any("TELEGRAM_WEBHOOK_BASE_URL" in one for one in await _problems(service))


async def test_another_poller_is_explained(database_path: Path, telegram: BotAPIServer) -> None:
    """When another program fetches the same bot's updates, that is said in so many words."""
    conflict = (
        "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
    )
    telegram.fault(broken(409, conflict), method="getUpdates", count=1)
    async with _polling(database_path.parent, telegram) as (poller, _):
        await eventually(lambda: poller.problem is not None, "a problem")

        assert poller.problem == (
            "Another program fetches this bot's updates. Stop it, or give each its own bot."
        )


@pytest.mark.parametrize(
    "outage",
    [pytest.param(broken(502, "Bad Gateway"), id="bad-gateway"), pytest.param(flooded(1), id="flood-wait")],
)
async def test_polling_goes_on_after_an_outage(
    database_path: Path, telegram: BotAPIServer, outage: Any
) -> None:
    """An outage is named while it lasts; what was said meanwhile is fetched when it ends."""
    chat = telegram.private_chat(telegram.user(OWNER))
    rule = telegram.fault(outage, method="getUpdates", count=None)
    async with _polling(database_path.parent, telegram) as (poller, engine):
        await eventually(lambda: poller.problem is not None, "the outage is noticed")
        assert telegram.token not in str(poller.problem)
        await telegram.user_says(chat, "hello")
        rule.lift()
        await eventually(lambda: engine.db.read(count("updates")), "the message is stored", 10)
        await eventually(lambda: poller.problem is None, "all is well")


async def test_end_of_an_outage_is_known_at_once(database_path: Path, telegram: BotAPIServer) -> None:
    """After a failure the next request is not held, so that a quiet chat does not keep the problem up."""
    telegram.fault(broken(), method="getUpdates", count=1)
    async with _polling(database_path.parent, telegram):
        await eventually(lambda: len(telegram.calls_of("getUpdates")) >= 3, "three requests", 10)

    held = [int(call.params.get("timeout", 0)) for call in telegram.calls_of("getUpdates")[:3]]
    assert held == [1, 0, 1]


async def test_unreadable_update_does_not_stop_the_others(
    database_path: Path, telegram: BotAPIServer
) -> None:
    """An update of an odd shape is stored and passed; the next one comes through."""
    await telegram.push_raw({"update_id": 5, "message": {"text": "without ids"}})
    await telegram.push_raw({"update_id": 6, "message": None, "novelty": [1]})
    async with _polling(database_path.parent, telegram) as (_, engine):
        await eventually(lambda: telegram.pending_updates == 0, "both are acknowledged")

        assert await engine.db.read(count("updates")) == 2
        assert await engine.db.read(_stored_offset) == 7


async def test_stop_does_not_wait_for_the_held_request(database_path: Path, telegram: BotAPIServer) -> None:
    """A service that polls stops at once, although Telegram would hold the request for fifty seconds."""
    loop = asyncio.get_running_loop()
    async with running_service(database_path.parent, telegram):
        await eventually(lambda: telegram.calls_of("getUpdates"), "polling")
        began = loop.time()
    assert loop.time() - began < 10
