"""The databases of these suites: each test runs on an empty one of either kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from contract.job_engines import Engine, open_database, open_engine
from wireroom.store.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Lend the URL of an empty, migrated database of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{request.getfixturevalue('database_path')}"
        return
    with request.getfixturevalue("postgres").database() as lent:
        yield lent


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    """Lend it, opened."""
    lent = open_database(url)
    yield lent
    await lent.close()


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend it with a job engine, whose worker is not yet running."""
    async with open_engine(url) as lent:
        yield lent
