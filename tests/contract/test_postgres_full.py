"""What is told, and what becomes of work, when PostgreSQL has no connection free."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from sqlalchemy import select

from wireroom.errors import StoreBusy, StoreUnavailable
from wireroom.store.migrate import current_version
from wireroom.store.moving.postgres_side import PostgresSide
from wireroom.store.own_connection import own_connection
from wireroom.store.patience import patiently
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.postgres_errors import no_connection_free
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer, running_postgres

_REMEDY = "Raise its max_connections, run fewer workers, or lower WIREROOM_POOL_SIZE"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Lend a server of five connections, of which three are for superusers; it knows the role `plain`."""
    with running_postgres() as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE plain LOGIN")
            connection.execute("CREATE ROLE single LOGIN CONNECTION LIMIT 1")
        server.allow(connections=5)
        yield server


@pytest.mark.postgres
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("role", "taken", "said"),
    [
        pytest.param("single", 1, "too many connections for role", id="role"),
        pytest.param("plain", 2, "remaining connection slots are reserved", id="reserved"),
        pytest.param("postgres", 5, "sorry, too many clients already", id="all"),
    ],
)
async def test_full_server_is_told_with_its_remedy_and_waited_for(
    server: PostgresServer, role: str, taken: int, said: str
) -> None:
    """Whoever asks a full PostgreSQL is told so and what to do; work goes on once a connection is free."""
    url = server.url("postgres").replace("//postgres:", f"//{role}:")
    db = PostgresDatabase(url)
    told = rf"no connection free \(.*{said}.*{_REMEDY}"
    with ExitStack() as held:
        for _ in range(taken):
            held.enter_context(psycopg.connect(url))
        with pytest.raises(StoreBusy, match=told):
            await db.read(lambda conn: conn.scalar(select(1)))
        with pytest.raises(StoreUnavailable, match=told):
            async with own_connection(url, "test"):
                pass
        for opening in (current_version, PostgresSide):
            with pytest.raises(StoreUnavailable, match=told):
                await asyncio.to_thread(opening, url)
        looks = 0

        async def look() -> int | None:
            nonlocal looks
            looks += 1
            return await db.read(lambda conn: conn.scalar(select(1)))

        waiting = asyncio.create_task(patiently(look, what="a look"))
        await eventually(lambda: looks > 1, "the look is refused, and repeated")
    assert await asyncio.wait_for(waiting, 30) == 1
    await db.close()


class _Refused(psycopg.OperationalError):
    """An error of a statement, which has a code."""

    sqlstate = "22000"


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        pytest.param(
            psycopg.OperationalError("no more connections allowed (max_client_conn)"), True, id="PgBouncer"
        ),
        pytest.param(
            psycopg.OperationalError("FATAL:  the database system is starting up"), False, id="starts"
        ),
        pytest.param(psycopg.OperationalError("connection refused"), False, id="away"),
        pytest.param(_Refused("value: too many connections for role"), False, id="words-of-a-value"),
        pytest.param(None, False, id="none"),
    ],
)
def test_only_a_refused_connection_means_a_full_server(error: Exception | None, *, is_full: bool) -> None:
    """A pooler's words count as the server's; a server that is away, and the text of a value, do not."""
    assert (no_connection_free(error) is not None) == is_full
