"""The cache of several replicas over a real Redis server, which comes and goes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cache_replicas import ROWS, Replica, replica
from redis_fixtures import running_pool
from sqlalchemy import text

from wireroom.cache.changes import Changed
from wireroom.cache.lower import Address, Stored
from wireroom.cache.names import SETTINGS
from wireroom.cache.packing import encode, pack
from wireroom.cache.shared import SharedLevel
from wireroom.redis.keys import CACHE, CLAIM
from wireroom.redis.pool import RedisPool
from wireroom.store.postgres import PostgresDatabase
from wireroom.system_settings import SystemSettings
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer
from wireroom.testing.redis_server import RedisServer, running_redis

_A = Address("rows", "a", ("red",))
_TURN_ON = text("INSERT INTO system_settings (name, value) VALUES ('debug', 1)")
_SOON = timedelta(seconds=1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Lend a server of this test's own."""
    with running_redis(tmp_path) as found:
        yield found


class Table:
    """What the replicas read: a number, and how often it was asked for."""

    def __init__(self) -> None:
        """Begin at 1."""
        self.value = 1
        self.readings = 0

    async def read(self) -> int:
        """Read it."""
        self.readings += 1
        seen = self.value
        await asyncio.sleep(0)
        return seen


async def _ask(one: Replica, table: Table, key: str = "a") -> int:
    found: int = await one.cache.open(ROWS, int).get_or_compute(key, table.read, tags=("red",))
    return found


async def _settled(*replicas: Replica) -> None:
    for one in replicas:
        await one.cache.open(ROWS, int).settled()
        await eventually(lambda one=one: one.spread.is_idle, "everything is told")


async def test_value_is_computed_once_for_all_replicas(server: RedisServer) -> None:
    """Forty callers on two replicas cost one reading; the other replica is given what the first has made."""
    table = Table()
    async with replica(server.url) as one, replica(server.url) as other:
        await _settled(one, other)
        found = await asyncio.gather(*(_ask(each, table) for each in (one, other) for _ in range(20)))
        assert set(found) == {1}
        assert table.readings == 1


async def test_change_on_one_replica_reaches_the_other(server: RedisServer) -> None:
    """The other one's memory forgets, and Redis has nothing old for it."""
    table = Table()
    async with replica(server.url) as one, replica(server.url) as other:
        await _settled(one, other)
        assert [await _ask(one, table), await _ask(other, table)] == [1, 1]
        await _settled(one, other)
        table.value = 2
        one.cache.forget("red")
        assert await _ask(one, table) == 2

        async def arrived() -> bool:
            return await _ask(other, table) == 2

        await eventually(arrived, "the other replica has the new value")


@pytest.mark.parametrize("how", ["key", "pattern"])
async def test_key_and_pattern_reach_the_other_replica(server: RedisServer, how: str) -> None:
    """Every way of telling goes round."""
    table = Table()
    async with replica(server.url) as one, replica(server.url) as other:
        await _settled(one, other)
        await _ask(one, table)
        await _ask(other, table)
        table.value = 2
        if how == "key":
            one.cache.forget_key(ROWS, "a")
        else:
            one.cache.forget_matching(ROWS, "*")

        async def arrived() -> bool:
            return await _ask(other, table) == 2

        await eventually(arrived, "the other replica has the new value")


async def test_everything_works_while_redis_is_away_and_nothing_old_comes_back(server: RedisServer) -> None:
    """Stopped in between: rows of PostgreSQL are read each time, and told of again when it is back."""
    table = Table()
    async with replica(server.url, "postgresql") as one, replica(server.url, "postgresql") as other:
        await _settled(one, other)
        assert [await _ask(one, table), await _ask(other, table)] == [1, 1]
        server.stop()
        await eventually(lambda: not one.bus.is_hearing and not other.bus.is_hearing, "the replicas notice")
        table.value = 2
        one.cache.forget("red")
        assert await _ask(one, table) == 2

        async def is_read_each_time() -> bool:
            before = table.readings
            await _ask(other, table)
            await _ask(other, table)
            return table.readings == before + 2

        await eventually(is_read_each_time, "what was kept has come to its end")
        assert await _ask(other, table) == 2
        server.start()
        await eventually(lambda: one.bus.is_hearing and other.bus.is_hearing, "the news go on")
        await _settled(one, other)
        table.value = 3
        one.cache.forget("red")

        async def arrived() -> bool:
            return await _ask(other, table) == 3

        await eventually(arrived, "changes are told again")


@pytest.mark.postgres
async def test_row_of_a_program_that_tells_nobody_is_seen_soon(
    server: RedisServer, postgres: PostgresServer
) -> None:
    """On PostgreSQL a value lives a second at most: what was written past us is not hidden for longer."""
    with postgres.database() as url:
        db = PostgresDatabase(url)
        async with replica(server.url, "postgresql") as one:
            await _settled(one)
            switches = SystemSettings(db, one.cache)
            assert not await switches.is_on("debug")
            assert "all" in one.cache.open(SETTINGS, dict).memory.entries
            await db.write(lambda conn: conn.execute(_TURN_ON))

            async def seen() -> bool:
                return await switches.is_on("debug")

            await eventually(seen, "the row is seen")
        await db.close()


async def test_gap_in_the_news_empties_memory(server: RedisServer) -> None:
    """What may have been missed while the connection was broken is not believed."""
    table = Table()
    async with replica(server.url) as one:
        await _settled(one)
        await _ask(one, table)
        server.stop()
        await eventually(lambda: not one.bus.is_hearing, "the replica notices")
        server.start()
        await eventually(lambda: one.bus.is_hearing, "the news go on")
        await _settled(one)
        table.value = 2
        assert await _ask(one, table) == 2


async def test_value_stored_after_a_change_is_worthless(server: RedisServer) -> None:
    """A replica that has read before the change and stores after it cannot bring the old value back."""
    async with running_pool(server.url) as pool:
        slow, quick = _level(pool), _level(pool)
        looked = await slow.look(_A, _SOON)
        assert looked.stored is None
        assert await quick.forget(Changed(tags=frozenset({"red"})))
        await slow.keep(_A, _stored("old"), looked.ticket)
        assert (await quick.look(_A, _SOON)).stored is None


async def test_value_lives_as_long_as_its_tokens(server: RedisServer) -> None:
    """Another key's change leaves it alone; without a token, as after an eviction, it is not given."""
    async with running_pool(server.url) as pool:
        level = _level(pool)
        looked = await level.look(_A, _SOON)
        await level.keep(_A, _stored("value"), looked.ticket)
        await level.forget(Changed(tags=frozenset({"blue"})))
        assert (await level.look(_A, _SOON)).stored == _stored("value")
        assert await pool.delete("wireroom:cache:test:token:tag:red") == 1
        assert (await level.look(_A, _SOON)).stored is None


async def test_claim_of_a_dead_replica_is_not_waited_for_for_ever(server: RedisServer) -> None:
    """Who waits for another to compute does so itself after a while; who gives up lets the next one go."""
    waits: list[float] = []

    async def pause(seconds: float) -> None:
        waits.append(seconds)

    async with running_pool(server.url) as pool:
        dead, alive = _level(pool), SharedLevel(pool, "test", lambda _: False, pause)
        ticket = (await dead.look(_A, _SOON)).ticket
        assert ticket[0]
        assert (await alive.look(_A, _SOON)).stored is None
        assert sum(waits) == pytest.approx(1.0, abs=0.1)
        await dead.give_up(_A, ticket)
        waits.clear()
        assert (await alive.look(_A, _SOON)).ticket[0]
        assert waits == []


class _Interrupted:
    """A Redis in which another replica ends its computation just before our first claim."""

    def __init__(self, pool: RedisPool, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Pass everything on; do that in between, once."""
        self._pool = pool
        self._meanwhile: list[Callable[[], Awaitable[None]]] = [meanwhile]

    def __getattr__(self, name: str) -> Any:
        """Pass on."""
        return getattr(self._pool, name)

    async def claim(self, key: str, word: str, ttl_seconds: int) -> bool:
        """Claim, a moment late."""
        while self._meanwhile and key.startswith(CLAIM.name):
            await self._meanwhile.pop()()
        return await self._pool.claim(key, word, ttl_seconds)


async def test_value_that_came_just_before_the_claim_is_taken(server: RedisServer) -> None:
    """Between the look and the claim another replica may be done: its value is not computed again."""
    async with running_pool(server.url) as pool:
        quick = _level(pool)
        ticket = (await quick.look(_A, _SOON)).ticket
        late = SharedLevel(
            _Interrupted(pool, lambda: quick.keep(_A, _stored("done"), ticket)), "test", lambda _: False
        )
        assert (await late.look(_A, _SOON)).stored == _stored("done")
        assert (await pool.get("wireroom:claim:cache:test:rows:a")) is None


async def test_change_that_is_not_told_yet_is_neither_read_nor_stored(server: RedisServer) -> None:
    """Between our commit and the new tokens nothing old is taken from Redis."""
    async with running_pool(server.url) as pool:
        before, untold = _level(pool), SharedLevel(pool, "test", lambda where: "red" in where.tags)
        looked = await before.look(_A, _SOON)
        await before.keep(_A, _stored("old"), looked.ticket)
        assert (await untold.look(_A, _SOON)).stored is None
        await untold.keep(_A, _stored("new"), looked.ticket)
        assert (await before.look(_A, _SOON)).stored == _stored("old")


async def test_every_key_has_a_time_to_live_and_our_name(server: RedisServer) -> None:
    """Nothing is left behind for good, and nothing outside our own families is touched."""
    table = Table()
    async with replica(server.url) as one:
        await _settled(one)
        await _ask(one, table, "key with spaces and ümläuts " * 20)
        one.cache.forget("red")
        one.cache.forget_key(ROWS, "a")
        await _settled(one)
        keys = [key async for key in one.pool.scan(CACHE)] + [key async for key in one.pool.scan(CLAIM)]
        assert any(":value:" in key for key in keys)
        assert all(key.startswith(("wireroom:cache:test:", "wireroom:claim:cache:test:")) for key in keys)
        assert server.command("DBSIZE") == len(set(keys))
        for key in keys:
            assert await one.pool.ttl(key)


async def test_invalidation_arrives_in_another_process(server: RedisServer, tmp_path: Path) -> None:
    """Twenty changes, each told to a process of its own that keeps the value until it is told: all arrive."""
    file = tmp_path / "value"
    file.write_text("0")
    program = Path(__file__).with_name("cache_replicas.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(program), server.url, str(file), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None

    async def ask() -> list[str]:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(b"\n")
        async with asyncio.timeout(60):
            return (await child.stdout.readline()).decode().split()

    try:
        async with replica(server.url) as one:
            assert await ask() == ["0", "1"]
            for number in range(1, 21):
                file.write_text(str(number))
                one.cache.forget("file")

                async def arrived(number: int = number) -> bool:
                    return (await ask())[0] == str(number)

                await eventually(arrived, "the change is told to the other process")
            assert await ask() == await ask()
    finally:
        child.stdin.close()
        await child.wait()


def _level(pool: RedisPool) -> SharedLevel:
    return SharedLevel(pool, "test", lambda _: False)


def _stored(value: str) -> Stored:
    return Stored(pack(encode(value)), 1_700_000_000.0, 60.0)
