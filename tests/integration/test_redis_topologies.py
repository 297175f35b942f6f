"""A cluster of two servers and a service behind a sentinel, both real."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis_fixtures import running_bus, running_pool

from wireroom.errors import RedisUnavailable
from wireroom.redis.keys import CACHE, CLAIM
from wireroom.redis.pool import RedisPool
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port
from wireroom.testing.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[RedisServer]]:
    """Lend two servers that share the slots of a cluster."""
    with ExitStack() as stack:
        servers, buses = [], []
        for n in range(2):
            folder = tmp_path / str(n)
            folder.mkdir()
            buses.append(free_port())
            lines = ("cluster-enabled yes", f"cluster-port {buses[n]}", "cluster-node-timeout 15000")
            servers.append(stack.enter_context(running_redis(folder, *lines)))
        one, two = servers
        one.command("CLUSTER", "ADDSLOTSRANGE", "0", "8191")
        two.command("CLUSTER", "ADDSLOTSRANGE", "8192", "16383")
        one.command("CLUSTER", "MEET", "127.0.0.1", str(two.port), str(buses[1]))
        yield servers


async def test_cluster_serves_every_way_of_use(cluster: list[RedisServer]) -> None:
    """Keys on both servers are read, written, scanned and removed; news cross from one to the other."""
    for server in cluster:
        await eventually(lambda server=server: _state(server) == "ok", "the cluster forms", 60)
    url = "redis+cluster://" + ",".join(f"127.0.0.1:{server.port}" for server in cluster)
    heard: list[bytes] = []
    async with running_pool(url) as pool, running_pool(url) as other:
        keys = [CACHE.key(f"k{n}") for n in range(60)]
        await pool.setex_many([(key, 60, key.encode()) for key in keys])
        assert await pool.get_many(keys) == [key.encode() for key in keys]
        assert {key async for key in pool.scan(CACHE)} == set(keys)
        assert all(b"db0:keys" in server.command("INFO", "keyspace") for server in cluster)
        assert await pool.claim(CLAIM.key("x"), "me", 60)
        assert await pool.delete_matching(CACHE, "*") == 60
        async with running_bus(pool) as sender, running_bus(other) as bus:
            bus.subscribe("cache", heard.append, lambda: None)
            await sender.publish("cache", b"news")
            await eventually(lambda: heard == [b"news"], "the news")


async def test_cluster_that_is_gone_is_refused_and_found_again(cluster: list[RedisServer]) -> None:
    """Without its servers the cluster counts as down; it is found again when they are back."""
    for server in cluster:
        await eventually(lambda server=server: _state(server) == "ok", "the cluster forms", 60)
    url = f"redis+cluster://127.0.0.1:{cluster[0].port}"
    async with running_pool(url) as pool:
        await pool.setex(CACHE.key("x"), 60, b"1")
        for server in cluster:
            server.stop()
        await eventually(lambda: _lost(pool), "it counts as down")
        for server in cluster:
            server.start()
        for server in cluster:
            await eventually(lambda server=server: _state(server) == "ok", "the cluster forms", 60)
        await eventually(lambda: pool.is_up, "it is found again", 60)


async def test_sentinel_names_the_server(tmp_path: Path) -> None:
    """The server that the sentinel names is used, and found again after its end; a wrong name is told."""
    with running_redis(tmp_path) as server:
        (tmp_path / "sentinel").mkdir()
        lines = (
            f"sentinel monitor main 127.0.0.1 {server.port} 1",
            "sentinel down-after-milliseconds main 60000",
        )
        with running_redis(tmp_path / "sentinel", *lines, sentinel=True) as sentinel:
            where = f"redis+sentinel://127.0.0.1:{sentinel.port}"
            async with running_pool(f"{where}/main/0") as pool, running_pool(f"{where}/main/0") as other:
                await eventually(lambda: pool.is_up and other.is_up, "the server is found", 60)
                heard: list[bytes] = []
                await pool.setex(CACHE.key("x"), 60, b"1")
                assert await other.get(CACHE.key("x")) == b"1"
                async with running_bus(pool) as sender, running_bus(other) as bus:
                    bus.subscribe("cache", heard.append, lambda: None)
                    await sender.publish("cache", b"news")
                    await eventually(lambda: heard == [b"news"], "the news")
                await asyncio.to_thread(server.stop)
                await eventually(lambda: _lost(pool), "the loss is noticed")
                await asyncio.to_thread(server.start)
                await eventually(lambda: pool.is_up, "it is found again", 60)
            async with running_pool(f"{where}/nobody/0") as pool:
                assert not pool.is_up
                assert "nobody" in pool.problem


async def _lost(pool: RedisPool) -> bool:
    """Ask, and tell whether the pool counts as down now."""
    try:
        await pool.get(CACHE.key("x"))
    except RedisUnavailable:
        return not pool.is_up
    return False


def _state(server: RedisServer) -> str:
    """Return what the server thinks of its cluster."""
    info = server.command("CLUSTER", "INFO").decode()
    return next((line.split(":")[1] for line in info.split() if line.startswith("cluster_state:")), "")
