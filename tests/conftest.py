"""Fixtures that every kind of test may use."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from empty_database import lay_out
from wireroom.perf.evidence import RepeatedStatement
from wireroom.perf.sql_scope import tell_of_repetitions
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.postgres_server import PostgresServer, running_postgres

_CLUSTER_SECONDS = 600
"""Longest time of a test on a cluster."""

# The machine may be busy with other tests: generated tests take as long as they need.
settings.register_profile("wireroom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wireroom")

# As in the service: the default renderer draws every local variable of a traceback, 20 ms for each.
_renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], _renderer])


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a migrated, empty database file; copy it, never open it."""
    return lay_out(tmp_path_factory.mktemp("template"))


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    """Return the path of a migrated, empty SQLite file of this test's own."""
    return lay_out(tmp_path)


@pytest.fixture
async def database(database_path: Path) -> AsyncIterator[SqliteDatabase]:
    """Lend an open, empty SQLite database."""
    db = SqliteDatabase(database_path)
    yield db
    await db.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Lend the packaged PostgreSQL server, started once; mark tests that use it `postgres`."""
    with running_postgres() as server:
        yield server


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the tests that mostly wait, so that none of them is left when the other workers are done.

    On a cluster leave out what is about one process, and give the rest the time that six processes need.
    """
    if os.environ.get("WIREROOM_TEST_SITE") == "cluster":
        alone = [item for item in items if item.get_closest_marker("one_process")]
        items[:] = [item for item in items if item not in alone]
        config.hook.pytest_deselected(items=alone)
        for item in items:
            item.add_marker(pytest.mark.timeout(_CLUSTER_SECONDS), append=False)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a test marked `n_plus_one` in which a request or a job repeats a read, and say where."""
    marker = item.get_closest_marker("n_plus_one")
    if marker is None:
        yield
        return
    found: list[RepeatedStatement] = []

    def note(repeated: RepeatedStatement) -> None:
        found.append(repeated)

    with tell_of_repetitions(note, at_least=marker.kwargs.get("repeats", 5)):
        yield
    if found:
        pytest.fail(
            "\n".join(f"{one.within}: {one.most_times} times at {one.place}: {one.shape}" for one in found),
            pytrace=False,
        )
