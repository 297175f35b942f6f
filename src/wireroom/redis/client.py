"""Makes redis-py's clients: the one module that knows that library, and the one that imports it.

It is imported when an address is set, not before: it costs 0.1 s and comes with `wireroom[redis]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from wireroom.errors import SettingsError, WireroomError
from wireroom.redis.address import Address, Kind

_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.2
CLIENT_NAME = "wireroom"
"""How `CLIENT LIST` shows us."""


@dataclass(frozen=True, slots=True)
class PoolRule:
    """How much may be kept open, and how long anything is waited for."""

    connections: int = 50
    """In all, the one that listens for news included; in a cluster to each of its servers."""
    connect_seconds: float = 1.0
    command_seconds: float = 0.5
    retries: int = 2
    """Tries after the first when a connection is refused or lost; a late reply is not asked for again."""

    @property
    def budget_seconds(self) -> float:
        """Longest time of one call with everything in it: a place, a connection, the tries."""
        pauses = self.retries * _LONGEST_PAUSE_SECONDS
        return self.connect_seconds + self.command_seconds * (self.retries + 1) + pauses


class Lost(WireroomError):
    """There is no connection, or it broke."""


class Late(WireroomError):
    """The reply did not come in time."""


class Denied(WireroomError):
    """The server has answered, with an error."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn redis-py's errors into `Lost`, `Late` and `Denied`.

    Raises:
        Lost: see there; a wrong password counts, since nothing will work before it is right.
    """
    import redis.exceptions as foreign  # noqa: PLC0415 - see the module

    task = asyncio.current_task()
    cancelled = 0 if task is None else task.cancelling()
    try:
        yield
        # A cancellation that comes together with the reply has been seen to get lost in redis-py; whoever
        # waits for the end of the task would wait for ever.
        if task is not None and task.cancelling() > cancelled:
            raise asyncio.CancelledError  # noqa: TRY301 - it belongs to this very place
    except (TimeoutError, foreign.TimeoutError) as error:
        raise Late("no reply in time") from error
    except (OSError, foreign.ConnectionError, foreign.ClusterError, foreign.RedisClusterException) as error:
        raise Lost(_in_short(error)) from error
    except foreign.RedisError as error:
        raise Denied(_in_short(error)) from error
    except WireroomError:
        raise
    except Exception as error:
        # A reply that is no Redis reply makes redis-py raise whatever its parser stumbles over.
        raise Lost(f"no reply of Redis ({type(error).__name__}: {_in_short(error)})") from error


def open_client(address: Address, rule: PoolRule) -> Any:
    """Return redis-py's client for the address; nothing is connected yet.

    Raises:
        SettingsError: redis-py is not installed, or cannot do what the address says.
    """
    redis = _library()
    made: Any
    try:
        if address.kind is Kind.CLUSTER:
            made = _cluster(redis, address, rule)
        elif address.kind is Kind.SENTINEL:
            made = _guarded(redis, address, rule)
        else:
            made = _single(redis, address, rule)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"REDIS_URL: {address.shown} cannot be used ({error}).") from error
    return made


def open_listener(address: Address, rule: PoolRule, attempt: int) -> Any:
    """Return a client of one connection that is never mended behind our back.

    redis-py would connect and subscribe again without a word, and nobody would know that news were missed.

    Args:
        address: Where Redis is.
        rule: Its time-outs count.
        attempt: 0, 1, 2 …; in a cluster, whose servers pass news on to each other, each is asked in turn.
    """
    alone = PoolRule(2, rule.connect_seconds, rule.command_seconds, retries=0)
    if address.kind is not Kind.CLUSTER:
        return open_client(address, alone)
    host = address.hosts[attempt % len(address.hosts)]
    one = Address(
        Kind.SINGLE,
        (host,),
        username=address.username,
        password=address.password,
        tls=address.tls,
        options=address.options,
    )
    return open_client(one, alone)


def _library() -> Any:
    try:
        import redis.asyncio  # noqa: PLC0415 - see the module
    except ImportError as error:
        raise SettingsError(
            "REDIS_URL is set, but redis-py is missing: pip install wireroom[redis]"
        ) from error
    return redis


def _common(redis: Any, address: Address, rule: PoolRule) -> dict[str, Any]:
    tls = {"ssl": True, **_tls_options(address)} if address.tls else {}
    return {
        "username": address.username,
        "password": address.password,
        "socket_timeout": rule.command_seconds,
        "socket_connect_timeout": rule.connect_seconds,
        "retry": _retry(redis, rule),
        "client_name": CLIENT_NAME,
        # The older protocol: every server speaks it, and connecting costs a round trip less.
        "protocol": 2,
        **tls,
    }


def _retry(redis: Any, rule: PoolRule) -> Any:
    backoff = redis.backoff.ExponentialWithJitterBackoff(
        cap=_LONGEST_PAUSE_SECONDS, base=_FIRST_PAUSE_SECONDS
    )
    return redis.asyncio.retry.Retry(
        backoff, rule.retries, supported_errors=(redis.exceptions.ConnectionError, OSError)
    )


def _single(redis: Any, address: Address, rule: PoolRule) -> Any:
    where: dict[str, Any]
    if address.path:
        where = {"unix_socket_path": address.path}
    else:
        host, port = address.hosts[0]
        where = {"host": host, "port": port}
    common = _common(redis, address, rule)
    return redis.asyncio.Redis(**where, db=address.db, max_connections=rule.connections, **common)


def _guarded(redis: Any, address: Address, rule: PoolRule) -> Any:
    options = address.options
    common = _common(redis, address, rule)
    asking = {
        "socket_timeout": rule.command_seconds,
        "socket_connect_timeout": rule.connect_seconds,
        "username": options.get("sentinel_username"),
        "password": options.get("sentinel_password"),
        "protocol": 2,
        **({"ssl": True, **_tls_options(address)} if address.tls else {}),
    }
    guards = redis.asyncio.Sentinel(list(address.hosts), sentinel_kwargs=asking)
    return guards.master_for(address.service, db=address.db, max_connections=rule.connections, **common)


def _cluster(redis: Any, address: Address, rule: PoolRule) -> Any:
    nodes = [redis.asyncio.cluster.ClusterNode(host, port) for host, port in address.hosts]
    common = _common(redis, address, rule)
    return redis.asyncio.RedisCluster(startup_nodes=nodes, max_connections=rule.connections, **common)


def _tls_options(address: Address) -> dict[str, str]:
    return {name: value for name, value in address.options.items() if name.startswith("ssl_")}


async def forget_connections(client: Any) -> None:
    """Close what is open, so that the next command connects anew: after an outage nothing can be trusted."""
    pool = getattr(client, "connection_pool", None)
    # To close what is broken may fail, or take long; it is forgotten all the same.
    with suppress(Exception):
        async with asyncio.timeout(1.0):
            if pool is None:
                await client.aclose()
            else:
                await pool.disconnect(inuse_connections=False)


async def identity_of(client: Any) -> frozenset[str]:
    """Return who answers: what each start of a server calls itself; nothing where we may not ask.

    A server may end and start between two commands. The connections are mended without a word, and what was
    stored is gone.
    """
    with suppress(Denied), translated():
        if hasattr(client, "connection_pool"):
            return frozenset({str((await client.info("server"))["run_id"])})
        told = await client.info("server", target_nodes="primaries")
        several = told.values() if all(isinstance(one, dict) for one in told.values()) else [told]
        return frozenset(str(one["run_id"]) for one in several)
    return frozenset()


async def close_client(client: Any) -> None:
    """Close every connection of a client, those to its sentinels included, which redis-py leaves open."""
    guards = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    for one in (client, *getattr(guards, "sentinels", ())):
        await one.aclose()


async def scanned_servers(client: Any) -> Sequence[Any]:
    """Return whose keys are to be scanned: each primary of a cluster, or None for the one server."""
    if hasattr(client, "connection_pool"):
        return [None]
    await client.initialize()
    return list(client.get_primaries())


async def scan_page(client: Any, server: Any, cursor: int, match: str, count: int) -> tuple[int, list[bytes]]:
    """Return the next cursor of a scan, 0 at its end, and what this page holds.

    Args:
        client: Redis-py's.
        server: One of `scanned_servers`.
        cursor: 0 to begin.
        match: Which keys.
        count: How many keys to look at.
    """
    if server is None:
        following, page = await client.scan(cursor, match=match, count=count)
        return int(following), list(page)
    cursors, page = await client.scan(cursor, match=match, count=count, target_nodes=server)
    return int(cursors[server.name]), list(page)


def _in_short(error: Exception) -> str:
    """Return the first line of an error, bounded."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:200]
