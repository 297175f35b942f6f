"""A connection to PostgreSQL outside the pool, for what must last: a lock, or listening to others.

Every question to it is bounded, also where the network is cut and nothing ever comes back.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, LiteralString

from psycopg import AsyncConnection, Error

from wireroom.errors import StoreUnavailable
from wireroom.store.postgres_errors import no_connection_free

_CONNECT_SECONDS = 2


class OwnConnection:
    """One connection in autocommit mode; once a question failed it is of no further use.

    async with own_connection(url, "wireroom leader") as connection:
        row = await connection.ask("SELECT 1 AS one", within=1.0)
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        """Ask this connection, which nobody else uses."""
        self._connection = connection

    async def ask(
        self, query: LiteralString, values: Mapping[str, object] | None = None, *, within: float
    ) -> tuple[Any, ...] | None:
        """Return the first row of the answer, None when there is none.

        Args:
            query: With `%(name)s` where a value belongs.
            values: By name.
            within: Seconds, after which the connection is given up.

        Raises:
            StoreUnavailable: the server refused, is gone, or did not answer in time.
        """
        asking = asyncio.create_task(self._first_row(query, values), name="question to PostgreSQL")
        try:
            await asyncio.wait({asking}, timeout=within)
            if not asking.done():
                raise StoreUnavailable(f"PostgreSQL did not answer within {within:g} s.")
            return asking.result()
        except Error as error:
            raise StoreUnavailable(f"PostgreSQL cannot be asked: {error}".strip()) from error
        finally:
            if not asking.done():
                self._cut()
                await asyncio.gather(asking, return_exceptions=True)

    async def hear(self, within: float) -> list[str]:
        """Return what was notified on the channels that this connection listens to, once there is something.

        Args:
            within: Seconds, after which nothing is returned.

        Raises:
            StoreUnavailable: the connection is lost.
        """
        try:
            return [one.payload async for one in self._connection.notifies(timeout=within, stop_after=1)]
        except Error as error:
            raise StoreUnavailable(f"PostgreSQL is no longer heard: {error}".strip()) from error

    async def _first_row(
        self, query: LiteralString, values: Mapping[str, object] | None
    ) -> tuple[Any, ...] | None:
        answer = await self._connection.execute(query, values)
        row: tuple[Any, ...] | None = await answer.fetchone() if answer.description else None
        return row

    def _cut(self) -> None:
        """Have whoever waits for the server find the connection closed.

        Cancelling that wait instead would ask the server to stop, on another connection, for up to 10 s.
        """
        with suppress(OSError, Error), socket.socket(fileno=os.dup(self._connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)


@asynccontextmanager
async def own_connection(url: str, name: str) -> AsyncIterator[OwnConnection]:
    """Lend a connection of one's own.

    Args:
        url: `postgresql://…`
        name: What the server's administrator reads beside it.

    Raises:
        StoreUnavailable: the server cannot be reached within 2 s, or has no connection free.
    """
    try:
        connection = await AsyncConnection.connect(
            url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name=name
        )
    except Error as error:
        unreachable = StoreUnavailable(f"PostgreSQL cannot be reached: {error}".strip())
        raise no_connection_free(error) or unreachable from error
    try:
        yield OwnConnection(connection)
    finally:
        with suppress(Error):
            await connection.close()
