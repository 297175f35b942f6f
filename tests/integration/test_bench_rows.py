"""Benchmarks write rows past the code that usually does; they must know the tables as they are.

A column that became necessary is noticed here, not when somebody measures.
"""

from __future__ import annotations

from bench import cache, switches

from wireroom.store.sqlite import SqliteDatabase


async def test_benchmarks_of_the_cache_know_the_tables(database: SqliteDatabase) -> None:
    """Conversations, messages, page sessions and jobs can be written."""
    assert await cache.fill(database)


async def test_benchmarks_of_the_switches_know_the_tables(database: SqliteDatabase) -> None:
    """Conversations, messages and runs can be written."""
    await database.write(lambda conn: switches.fill(conn, 1))
