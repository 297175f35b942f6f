"""PostgreSQL behind a network that is cut, holds everything back, or loses an answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Connection, text

from chaos.links import Link, through
from wireroom.errors import StoreUnavailable
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]

_SILENT = timedelta(seconds=1)


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend a fresh database."""
    with postgres.database() as lent:
        yield lent


@pytest.fixture
async def link(url: str) -> AsyncIterator[Link]:
    """Lend a network to it."""
    parts = urlsplit(url)
    path = str(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432")
    async with Link(lambda: asyncio.open_unix_connection(path)) as lent:
        yield lent


def _count(conn: Connection) -> None:
    conn.execute(text("UPDATE system_settings SET value = value + 1 WHERE name = 'debug'"))


async def test_process_cut_off_within_a_unit_holds_nobody_up(url: str, link: Link) -> None:
    """The rows that it had locked are free again soon, and its unit is undone, not half done."""
    far = PostgresDatabase(through(link, url), silent_after=_SILENT)
    near = PostgresDatabase(url)
    await near.write(lambda conn: conn.execute(text("INSERT INTO system_settings (name) VALUES ('debug')")))

    def cut_off(conn: Connection) -> None:
        _count(conn)
        link.hold()

    lost = asyncio.create_task(far.write(cut_off))
    try:
        await eventually(lambda: not link.is_passing, "the process is cut off")
        async with asyncio.timeout(10):
            await near.write(_count)
        link.mend()
        with pytest.raises(StoreUnavailable):
            await lost
        query = text("SELECT value FROM system_settings WHERE name = 'debug'")
        assert await near.read(lambda conn: conn.execute(query).scalar_one()) == 1
    finally:
        link.mend()
        lost.cancel()
        with suppress(asyncio.CancelledError, StoreUnavailable):
            await lost
        await far.close()
        await near.close()


async def test_connection_without_a_peer_is_given_up_within_seconds(url: str, link: Link) -> None:
    """The kernel asks a silent peer, and waits neither for its answer nor for what it owes for hours."""
    database = PostgresDatabase(through(link, url), silent_after=timedelta(seconds=7))
    seen: dict[int, int] = {}

    def look(conn: Connection) -> None:
        driver = conn.connection.driver_connection
        assert driver is not None
        with socket.socket(fileno=socket.dup(driver.fileno())) as own:
            for option in (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.SO_KEEPALIVE):
                level = socket.SOL_SOCKET if option == socket.SO_KEEPALIVE else socket.IPPROTO_TCP
                seen[option] = own.getsockopt(level, option)

    await database.read(look)
    await database.close()

    assert seen[socket.TCP_USER_TIMEOUT] == 7_000
    assert seen[socket.SO_KEEPALIVE] == 1
    assert seen[socket.TCP_KEEPIDLE] <= 7
