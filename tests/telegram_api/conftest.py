"""Lends the emulator; without `make test-telegram-api`, nothing in this folder is collected."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from telegram_api.emulator import Emulator, running_emulator

collect_ignore_glob = [] if "WIREROOM_TEST_TELEGRAM_API" in os.environ else ["test_*.py"]


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """Lend an emulator of this test's own."""
    async with running_emulator() as started:
        yield started
