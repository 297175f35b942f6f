"""Wake-ups between processes: heard at once, and made up for when they could not be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from wireroom.store.postgres import PostgresDatabase
from wireroom.store.wake_ups import WakeUps
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

SOON_SECONDS = 1.0
_END_LISTENERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'wireroom wake-ups' AND datname = current_database()
"""


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend an empty database."""
    with postgres.database(migrated=False) as url:
        yield url


class Process:
    """What one process has heard."""

    def __init__(self, wake_ups: WakeUps) -> None:
        self.wake_ups = wake_ups
        self.heard: list[str] = []
        self.begun = 0

    def begin(self) -> None:
        """Note that we begin to listen."""
        self.begun += 1


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Process]:
    """Lend what tells and hears as a process of its own would, once it listens."""
    db = PostgresDatabase(url, pool_size=2)
    made = Process(WakeUps(db, url))
    running = asyncio.create_task(made.wake_ups.run(made.heard.append, made.begin))
    try:
        await eventually(lambda: made.begun == 1, "it listens")
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await db.close()


async def test_other_process_hears_soon_and_the_teller_does_not(url: str) -> None:
    """What one tells, the other hears within a second, each topic once a telling."""
    async with process(url) as one, process(url) as other:
        for topic in ("run:a", "run:b", "run:a"):
            one.wake_ups.tell(topic)

        await eventually(lambda: other.heard == ["run:a", "run:b"], "the other hears", SOON_SECONDS)
        assert one.heard == []


async def test_listener_that_was_away_is_told_that_it_may_have_missed_news(url: str) -> None:
    """After its connection is lost it listens again, and wakes everybody once."""
    async with process(url) as one, process(url) as other:
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute(_END_LISTENERS)
        await eventually(lambda: one.begun == other.begun == 2, "both listen again")

        one.wake_ups.tell("run:c")
        await eventually(lambda: other.heard == ["run:c"], "the other hears", SOON_SECONDS)
