"""What Telegram is told and asked at start, and what people read while that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from wireroom.intake.setup import BotSetup
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import broken
from wireroom.testing.eventually import eventually


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Lend Telegram."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def setup(telegram: BotAPIServer) -> AsyncIterator[BotSetup]:
    """Lend the setup of a bot that polls."""
    async with aiohttp.ClientSession() as session:
        client = TelegramClient(telegram.token, session, telegram.url)
        yield BotSetup(client, webhook_url=None, webhook_secret="secret")


async def test_name_is_learnt_without_telling_anything(telegram: BotAPIServer, setup: BotSetup) -> None:
    """A process that does not lead knows the bot's name, and leaves what Telegram was told as it is."""
    await setup.learn_name()

    assert setup.username
    assert {call.method for call in telegram.calls} == {"getMe"}


async def test_problem_is_shown_until_it_is_solved(telegram: BotAPIServer, setup: BotSetup) -> None:
    """A failure is named while it lasts, whatever else has worked meanwhile; then Telegram knows all."""
    telegram.fault(broken(), method="setMyCommands", count=1)
    introducing = asyncio.create_task(setup.introduce())
    await eventually(lambda: setup.problem, "it is named")
    await setup.learn_name()
    named = setup.problem
    await introducing

    assert (named is not None, setup.problem) == (True, None)
    assert "stop" in {command["command"] for command in telegram.commands}


async def test_problem_goes_with_the_leadership(telegram: BotAPIServer, setup: BotSetup) -> None:
    """Who no longer leads does not go on to complain of what another does now."""
    telegram.fault(broken(), method="setMyCommands", count=None)
    introducing = asyncio.create_task(setup.introduce())
    await eventually(lambda: setup.problem, "it is named")
    introducing.cancel()
    await asyncio.gather(introducing, return_exceptions=True)

    assert setup.problem is None
