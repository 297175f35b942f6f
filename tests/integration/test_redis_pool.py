"""The pool on a real server: what it writes, what it does while the server is dead, frozen and back."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_fixtures import PATIENT, QUICK, ended, running_pool

from wireroom.errors import BadInput, RedisUnavailable
from wireroom.redis import commands
from wireroom.redis.address import read_address
from wireroom.redis.breaker import BreakerRule
from wireroom.redis.client import PoolRule
from wireroom.redis.commands import Batch
from wireroom.redis.keys import CACHE, CALLBACK_STATE, CLAIM
from wireroom.redis.pool import RedisPool
from wireroom.redis.tally import counted
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port
from wireroom.testing.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Lend a server of this test's own."""
    with running_redis(tmp_path) as running:
        yield running


async def test_every_key_that_is_written_has_a_time_to_live(server: RedisServer) -> None:
    """After every way of writing has been used, no key lives for ever, and nobody has asked for all keys."""
    async with running_pool(server.url) as pool:
        await pool.setex(CACHE.key("one"), 60, b"1")
        await pool.setex_many([(CACHE.key(str(n)), 60, b"x") for n in range(5)])
        await pool.run_batch(Batch().add(commands.setex(CACHE.key("batch"), 60, b"b")))
        assert await pool.claim(CLAIM.key("work"), "me", 10)
        keys = [key for family in (CACHE, CLAIM) async for key in pool.scan(family)]
        lives = [server.command("TTL", key) for key in keys]
        with pytest.raises(BadInput):
            await pool.setex(CACHE.key("for ever"), 0, b"x")

    assert len(keys) == 8
    assert server.command("DBSIZE") == 8
    assert all(0 < life <= 60 for life in lives)
    stats = server.command("INFO", "commandstats")
    assert b"cmdstat_scan" in stats
    assert not re.search(rb"cmdstat_(keys|flushdb|flushall|persist|mset|hset)\b", stats)


async def test_values_come_back_in_order_and_are_removed_by_family(server: RedisServer) -> None:
    """Many are read in one round trip; a pattern removes its family's keys and leaves a neighbour's alone."""
    async with running_pool(server.url) as pool:
        await pool.setex_many([(CACHE.key(f"tree:{n}"), 60, str(n).encode()) for n in range(1200)])
        await pool.setex(CALLBACK_STATE.key("tree:1"), 60, b"not a cache's")
        with counted() as tally:
            found = await pool.get_many([CACHE.key("tree:7"), CACHE.key("none"), CACHE.key("tree:3")])
        assert found == [b"7", None, b"3"]
        assert (tally.operations, tally.round_trips) == (3, 1)
        assert await pool.get_many([]) == []
        assert len({key async for key in pool.scan(CACHE, "tree:*")}) == 1200
        assert await pool.delete_matching(CACHE, "tree:*") == 1200
        assert await pool.delete_matching(CACHE, "tree:*") == 0
        assert await pool.get(CALLBACK_STATE.key("tree:1")) == b"not a cache's"
        assert await pool.get(CACHE.key("tree:1")) is None


async def test_claim_has_one_owner(server: RedisServer) -> None:
    """Of many who ask at once one gets it, and has it when it asks again; only the owner gives it back."""
    async with running_pool(server.url) as pool:
        key = CLAIM.key("answer")
        words = [f"w{n}" for n in range(40)]
        got = await asyncio.gather(*(pool.claim(key, word, 60) for word in words))
        assert sum(got) == 1
        owner = words[got.index(True)]
        assert await pool.claim(key, owner, 60)
        assert not await pool.release(key, "somebody else")
        assert await pool.release(key, owner)
        assert await pool.claim(key, "next", 60)


async def test_connections_stay_within_the_limit(server: RedisServer) -> None:
    """Two hundred commands at once get by with the connections allowed, and all get their own reply."""
    async with running_pool(server.url, PoolRule(10, 10, 10)) as pool:
        await pool.setex_many([(CACHE.key(str(n)), 60, str(n).encode()) for n in range(200)])
        found = await asyncio.gather(*(pool.get(CACHE.key(str(n))) for n in range(200)))
        links = server.command("CLIENT", "LIST").count(b"name=wireroom")

    assert found == [str(n).encode() for n in range(200)]
    assert 1 <= links <= 9


async def test_cancelled_commands_leave_no_reply_behind(server: RedisServer) -> None:
    """A caller who leaves in the middle does not make the next one get his reply."""
    async with running_pool(server.url, PoolRule(4, 10, 10)) as pool:
        await pool.setex_many([(CACHE.key(str(n)), 60, str(n).encode()) for n in range(50)])
        for _ in range(5):
            asked = [asyncio.create_task(pool.get(CACHE.key(str(n)))) for n in range(50)]
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for one in asked[::2]:
                one.cancel()
            kept = await asyncio.gather(*asked, return_exceptions=True)
            assert all(
                isinstance(found, asyncio.CancelledError) or found == str(n).encode()
                for n, found in enumerate(kept)
            )
            found = await asyncio.gather(*(pool.get(CACHE.key(str(n))) for n in range(50)))
            assert found == [str(n).encode() for n in range(50)]


async def test_cancellation_is_never_lost(server: RedisServer) -> None:
    """A task that works with Redis ends when it is told to, wherever in a command that reaches it."""
    async with running_pool(server.url) as pool:

        async def work() -> None:
            while True:
                await pool.setex_many([(CACHE.key("x"), 60, b"1"), (CACHE.key("y"), 60, b"1")])

        for steps in range(150):
            task = asyncio.create_task(work())
            for _ in range(steps % 30):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task}, timeout=30)
            assert task.done()


async def test_dead_server_costs_nobody_a_time_out() -> None:
    """Where nothing listens, the pool says so after its first look, and refuses without a try."""
    async with running_pool(f"redis://127.0.0.1:{free_port()}/0") as pool:
        assert not pool.is_up
        assert "redis://127.0.0.1" in pool.problem
        with counted() as tally:
            for _ in range(1000):
                with pytest.raises(RedisUnavailable):
                    await pool.get(CACHE.key("x"))
        assert tally.operations == 0


async def test_silent_server_costs_a_few_callers_a_time_out() -> None:
    """A server that takes connections and says nothing is asked as often as patience allows, then never."""
    connections = 0

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.read(4096):
            pass
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    host, port = silent.sockets[0].getsockname()
    pool = RedisPool(read_address(f"redis://{host}:{port}"), PoolRule(5, 10, 0.02, retries=0))
    pool._note_up()
    with counted() as tally:
        for _ in range(100):
            with pytest.raises(RedisUnavailable):
                await pool.get(CACHE.key("x"))
    assert tally.operations == 3
    assert not pool.is_up
    before = connections
    assert not await pool.look()
    assert connections == before + 1
    await pool.close()
    silent.close()
    await silent.wait_closed()


@pytest.mark.parametrize(("retries", "served"), [(0, False), (1, False), (2, True)])
async def test_broken_connection_is_tried_again_as_often_as_is_set(retries: int, served: bool) -> None:
    """A server that twice hangs up serves whoever tries three times; fewer tries open the breaker."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while words := await reader.read(4096):
            if b"SETEX" in words:
                asked += 1
                if asked <= 2:
                    break
            writer.write(b"+OK\r\n")
        writer.close()

    moody = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = moody.sockets[0].getsockname()
    pool = RedisPool(read_address(f"redis://{host}:{port}"), PoolRule(5, 10, 10, retries=retries))
    pool._note_up()
    if served:
        await pool.setex(CACHE.key("x"), 60, b"1")
    else:
        with pytest.raises(RedisUnavailable):
            await pool.setex(CACHE.key("x"), 60, b"1")
    assert (asked, pool.is_up) == (retries + 1, served)
    await pool.close()
    moody.close()
    await moody.wait_closed()


@pytest.mark.parametrize(
    "reply",
    [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b":x\r\n", b"$5\r\nab", b"*-5\r\n", b"$-9\r\n", b"\xff\r\n"],
)
async def test_what_is_no_redis_is_refused_and_ends_nothing(reply: bytes) -> None:
    """Whatever listens there and says odd things, callers are refused and the watch goes on."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(reply)
        writer.close()

    odd = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = odd.sockets[0].getsockname()
    pool = RedisPool(read_address(f"redis://{host}:{port}"), PoolRule(5, 10, 10, retries=0), QUICK)
    watch = asyncio.create_task(pool.run())
    for _ in range(3):
        pool._note_up()
        with pytest.raises(RedisUnavailable):
            await pool.get(CACHE.key("x"))
        with pytest.raises(RedisUnavailable):
            await pool.get_many([CACHE.key("x"), CACHE.key("y")])
    await eventually(lambda: not pool.is_up, "it counts as down")
    assert not watch.done()
    await ended(watch)
    await pool.close()
    odd.close()
    await odd.wait_closed()


async def test_work_goes_on_while_the_server_is_killed_and_started(server: RedisServer) -> None:
    """Callers get the right value or a refusal, nothing else; after each start the pool finds the server."""
    outcomes: Counter[str] = Counter()
    over = asyncio.Event()

    async def work(pool: RedisPool, name: str) -> None:
        while not over.is_set():
            try:
                await pool.setex(CACHE.key(name), 60, name.encode())
                found = await pool.get(CACHE.key(name))
                outcomes["right" if found in {name.encode(), None} else "wrong"] += 1
            except RedisUnavailable:
                outcomes["refused"] += 1
            await asyncio.sleep(0.001)

    came_back: list[int] = []
    async with running_pool(server.url, PATIENT) as pool:
        pool.when_back(lambda: came_back.append(1))
        workers = [asyncio.create_task(work(pool, f"w{n}")) for n in range(10)]
        for _ in range(3):
            await eventually(lambda: outcomes["right"] > 0, "values while it runs")
            await asyncio.to_thread(server.stop)
            await eventually(lambda: not pool.is_up, "the loss is noticed")
            outcomes["right"] = outcomes["refused"] = 0
            await eventually(lambda: outcomes["refused"] > 20, "refusals while it is dead")
            await asyncio.to_thread(server.start)
            await eventually(lambda: pool.is_up, "it is found again")
        await eventually(lambda: outcomes["right"] > 20, "values again")
        over.set()
        await asyncio.gather(*workers)

    assert outcomes["wrong"] == 0
    assert len(came_back) == 3


async def test_frozen_server_is_given_up_and_found_again(server: RedisServer) -> None:
    """A server that hangs is soon asked by nobody; when it goes on, each caller gets his own reply again."""
    rule = PoolRule(connections=6, connect_seconds=5, command_seconds=0.1, retries=0)
    async with running_pool(server.url) as patient:
        await patient.setex_many([(CACHE.key(str(n)), 600, str(n).encode()) for n in range(20)])
    async with running_pool(server.url, rule) as pool:
        await eventually(lambda: pool.is_up, "it is found")
        server.freeze()
        with counted() as tally:
            asked = await asyncio.gather(
                *(pool.get(CACHE.key(str(n % 20))) for n in range(500)), return_exceptions=True
            )
            assert all(isinstance(one, RedisUnavailable) for one in asked)
        assert tally.operations < 20
        assert not pool.is_up
        with counted() as tally:
            for _ in range(500):
                with pytest.raises(RedisUnavailable):
                    await pool.get(CACHE.key("1"))
        assert tally.operations == 0
        server.thaw()
        await eventually(lambda: pool.is_up, "it is found again")

        async def all_right() -> bool:
            try:
                return all([await pool.get(CACHE.key(str(n))) == str(n).encode() for n in range(20)])
            except RedisUnavailable:
                return False

        await eventually(all_right, "each its own reply")


async def test_refusal_of_the_server_is_no_outage(server: RedisServer) -> None:
    """A full server refuses a write: the caller goes on without, and reads go on."""
    async with running_pool(server.url) as pool:
        await pool.setex(CACHE.key("kept"), 60, b"1")
        server.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RedisUnavailable, match="refused SETEX"):
            await pool.setex(CACHE.key("more"), 60, b"1")
        assert pool.is_up
        assert await pool.get(CACHE.key("kept")) == b"1"


async def test_wrong_password_is_named_and_not_shown(tmp_path: Path) -> None:
    """With a wrong password Redis counts as down, and neither message nor address shows one."""
    with running_redis(tmp_path) as server:
        server.command("CONFIG", "SET", "requirepass", "right-word")
        right, wrong = (f"redis://:{word}@127.0.0.1:{server.port}/0" for word in ("right-word", "wrong-word"))
        async with running_pool(wrong) as pool:
            assert not pool.is_up
            assert "word" not in pool.problem.lower().replace("password", "")
        async with running_pool(right) as pool:
            assert pool.is_up


async def test_other_database_is_used(server: RedisServer) -> None:
    """The database of the address is the one that is written."""
    async with running_pool(server.url.replace("/0", "/3")) as pool:
        await pool.setex(CACHE.key("x"), 60, b"1")

    assert b"db3:keys=1" in server.command("INFO", "keyspace")


async def test_server_that_started_anew_unnoticed_is_another(server: RedisServer) -> None:
    """A server that ends and starts between two commands is empty: whoever keeps it filled is told."""
    told: list[str] = []
    async with running_pool(server.url, breaker=BreakerRule(idle_seconds=1000)) as pool:
        pool.when_back(lambda: told.append("back"))
        assert await pool.look()
        assert told == []
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)
        assert await pool.look()
        assert told == ["back"]
        assert await pool.look()

    assert told == ["back"]
