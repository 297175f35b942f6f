"""What a kept value costs and spares: each level, each use with and without, and how often it is there.

`python -m bench run cache cache-uses cache-hits cache-replicas` prints what docs/performance/cache.md shows.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from hashlib import shake_128
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, insert

from bench.harness import Measurement, benchmark, fresh_database, scaled
from wireroom.cache.cache import Cache
from wireroom.cache.changes import SESSIONS_CHANGED
from wireroom.cache.lower import Address, Stored
from wireroom.cache.names import CONVERSATIONS, DEPTHS, SESSIONS
from wireroom.cache.packing import encode, pack
from wireroom.cache.spread import Spread
from wireroom.clock import SystemClock
from wireroom.conversations.pages import ConversationPages
from wireroom.conversations.threads import NewConversation, append_message, begin_conversation
from wireroom.intake.people import role_of
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import QueueCounts
from wireroom.redis.address import read_address
from wireroom.redis.bus import Bus
from wireroom.redis.pool import RedisPool
from wireroom.store.schema import page_sessions
from wireroom.store.sqlite import SqliteDatabase
from wireroom.store.statement import Statement
from wireroom.system_settings import SystemSettings
from wireroom.testing.redis_server import running_redis
from wireroom.workspaces.kept_trees import Trees

_ROUNDS = 7
_TURN = 15
_JOBS = 5000
_CONVERSATIONS = 2000
_OPERATIONS = 20_000
_HITS = 100_000
_WRITES, _SWITCHES, _LISTS = 0.02, 0.40, 0.85
"""Up to which draw people say something, look at a switch, look at a list; else they browse files."""
_CHANGES = 200
_EXPIRES_AT = Statement("SELECT expires_at FROM page_sessions WHERE digest = :digest")
_jobs = EmbeddedJobs(SystemClock())
Ask = Callable[[], Awaitable[object]]


@benchmark("cache")
async def levels() -> AsyncIterator[Measurement]:
    """Measure one hit of each level, and the first look of a value of 20 kB that is nowhere."""
    value = [shake_128(bytes([number])).hexdigest(100) for number in range(100)]

    async def compute() -> list[str]:
        return value

    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        cache = Cache(disk=Path(folder) / "cache.sqlite3")
        kept = cache.open(CONVERSATIONS, list[str])
        await kept.get_or_compute("hot", compute)
        hot = [await _many(lambda: kept.get_or_compute("hot", compute), _HITS) for _ in range(_ROUNDS)]
        yield Measurement("hit in memory, processor time", _us(hot, _HITS), "µs", fsync="none")
        names = itertools.count()
        missed = await _each(lambda: kept.get_or_compute(f"cold-{next(names)}", compute), 300)
        yield Measurement("miss in memory, computed for nothing", _us(missed), "µs", fsync="none")
        disk = cache._disk  # noqa: SLF001 - the level is measured alone
        assert disk is not None  # noqa: S101 - it was given a file
        where, stored = Address("trees", "a"), Stored(pack(encode(value)), time.time(), 1000.0)
        await disk.keep(where, stored, ())
        looks = await _each(lambda: disk.look(where, timedelta(0)), 300)
        yield Measurement("hit on disk, 20 kB", _us(looks), "µs", fsync="none")
        await cache.close()
        async with _replica(Path(folder)) as (one, _):
            level = one.level
            looked = await level.look(where, timedelta(0))
            await level.keep(where, stored, looked.ticket)
            looks = await _each(lambda: level.look(where, timedelta(0)), 300)
            yield Measurement("hit in Redis, 20 kB, with its tokens", _us(looks), "µs", fsync="none")


@benchmark("cache-uses")
async def uses() -> AsyncIterator[Measurement]:
    """Measure each use with the cache and without, one after the other, again and again."""
    async with fresh_database() as db:
        tokens = await fill(db)
        on, off = Cache.beside(db), Cache.off()
        pairs: dict[str, Sequence[Ask]] = {
            "a switch": [partial(SystemSettings(db, cache).is_on, "debug") for cache in (off, on)],
            "a page session": [partial(_session, db, cache, tokens[0]) for cache in (off, on)],
            "a list of 500 conversations": [ConversationPages(db, cache).warm for cache in (off, on)],
            "depths of queues with 5,000 jobs": [partial(_depths, db, cache) for cache in (off, on)],
        }
        for what, asks in pairs.items():
            async for found in _compared(what, asks):
                yield found
        role = await _each(
            lambda: db.read(lambda conn: [role_of(conn, 1, number) for number in range(1000)]), 20
        )
        yield Measurement("who a person is, within a unit: one read", _us(role, 1000), "µs", fsync="none")
        with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
            root = _repository(Path(folder))
            asks = [partial(Trees(cache, timedelta(0)).tree, root) for cache in (off, on)]
            async for found in _compared("a tree of 5,000 files in 500 folders", asks):
                yield found
        await on.close()


@benchmark("cache-hits")
async def hits() -> AsyncIterator[Measurement]:
    """Measure how often a value is there: people who watch, browse and talk, 20,000 questions."""
    async with fresh_database() as db:
        tokens = await fill(db)
        with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
            roots = [_repository(Path(folder) / str(number), folders=20) for number in range(20)]
            cache = Cache.beside(db)
            people = _People(db, cache, tokens, roots, random.Random(7))  # noqa: S311 - a repeatable workload
            started = time.perf_counter()
            for _ in range(scaled(_OPERATIONS)):
                await people.act()
            spent = time.perf_counter() - started
            yield Measurement(
                f"values that were there; {people.writes} messages were stored meanwhile",
                [100 * people.hit_rate()],
                "%",
                fsync="on",
            )
            for name, (there, all_of_them) in people.by_name().items():
                yield Measurement(f"of {all_of_them} {name}", [100 * there / all_of_them], "%", fsync="on")
            yield Measurement("questions and messages", [scaled(_OPERATIONS) / spent], "/s", fsync="on")
            await cache.close()


@benchmark("cache-replicas")
async def replicas() -> AsyncIterator[Measurement]:
    """Measure from a change in this process to the moment at which another process has forgotten."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        async with _replica(Path(folder)) as (spread, url):
            cache = Cache("sqlite", spread=spread)
            telling = asyncio.create_task(cache.run_spread())
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.cache_replica", url, stdout=subprocess.PIPE
            )
            assert child.stdout is not None  # noqa: S101 - a pipe was asked for
            await child.stdout.readline()
            samples = []
            for _ in range(scaled(_CHANGES)):
                told = time.monotonic()
                cache.forget("red")
                heard = float(await child.stdout.readline())
                samples.append(1000 * (heard - told))
            yield Measurement("told to another process", samples, "ms", fsync="none")
            child.terminate()
            await child.wait()
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            await cache.close()


@dataclass
class _People:
    """Seventy in a hundred questions are a page that looks again; some browse files, few say something."""

    db: SqliteDatabase
    cache: Cache
    tokens: Sequence[str]
    roots: Sequence[Path]
    chance: random.Random
    writes: int = 0

    def __post_init__(self) -> None:
        self.switches = SystemSettings(self.db, self.cache)
        self.pages = ConversationPages(self.db, self.cache)
        self.trees = Trees(self.cache, timedelta(0))
        self.counts: dict[str, list[int]] = {}

    async def act(self) -> None:
        """Do what one of them does next."""
        draw = self.chance.random()
        if draw < _WRITES:
            self.writes += 1
            name = f"c{self._often(_CONVERSATIONS)}"
            await self.db.write(
                lambda conn: append_message(conn, name, "user", "hello", run_id=None, now_ms=self.writes)
            )
            return
        await self._ask("sessions", partial(_session, self.db, self.cache, self.tokens[self._often(40)]))
        if draw < _SWITCHES:
            await self._ask("settings", partial(self.switches.is_on, "task_operator"))
        elif draw < _LISTS:
            await self._ask(
                "pages of conversations", partial(self.pages.page, limit=50, offset=50 * self._often(4))
            )
        else:
            await self._ask("trees", partial(self.trees.tree, self.roots[self._often(20)]))

    def by_name(self) -> dict[str, tuple[int, int]]:
        """Return (there, asked) by name."""
        return {name: (there, asked) for name, (there, asked) in self.counts.items()}

    def hit_rate(self) -> float:
        """Return the share of all questions that were answered from the cache."""
        return sum(there for there, _ in self.counts.values()) / sum(
            asked for _, asked in self.counts.values()
        )

    async def _ask(self, name: str, ask: Ask) -> None:
        before = self._misses()
        await ask()
        count = self.counts.setdefault(name, [0, 0])
        count[0] += self._misses() == before
        count[1] += 1

    def _misses(self) -> int:
        return self.cache.computations

    def _often(self, choices: int) -> int:
        """Draw a number below `choices`, small ones far more often than large ones."""
        return min(choices - 1, int(self.chance.paretovariate(0.8)) - 1)


async def fill(db: SqliteDatabase) -> Sequence[str]:
    """Begin conversations with messages, and page sessions; return the digests of these."""
    digests = [secrets.token_hex(32) for _ in range(40)]

    def unit(conn: Connection) -> None:
        for number in range(_CONVERSATIONS):
            wanted = NewConversation(f"c{number}", "web", f"web:{number % 50}", "/work")
            begin_conversation(conn, wanted, number)
            append_message(conn, wanted.id, "user", "what is there to do", run_id=None, now_ms=number)
        conn.execute(insert(page_sessions), [_page_session(digest) for digest in digests])
        for number in range(_JOBS):
            _jobs.enqueue(conn, queue="runs", kind="noop", ref=str(number), key=f"key-{number % 100}")

    await db.write(unit)
    return digests


def _page_session(digest: str) -> dict[str, object]:
    return {
        "digest": digest,
        "id": digest[:8],
        "role": "owner",
        "browser": "",
        "created_at": 0,
        "seen_at": 0,
        "expires_at": 2**50,
    }


async def _depths(db: SqliteDatabase, cache: Cache) -> object:
    async def read() -> dict[str, QueueCounts]:
        return dict(await db.read(_jobs.counts))

    return await cache.open(DEPTHS, dict[str, QueueCounts]).get_or_compute("all", read)


async def _session(db: SqliteDatabase, cache: Cache, digest: str) -> object:
    async def read() -> int | None:
        return await db.read(lambda conn: _EXPIRES_AT.value(conn, digest=digest))

    return await cache.open(SESSIONS, int).get_or_compute(digest, read, tags=(SESSIONS_CHANGED.tag,))


def _repository(root: Path, folders: int = 500) -> Path:
    for folder in range(folders):
        place = root / f"part-{folder % 20}" / f"folder-{folder}"
        place.mkdir(parents=True)
        for file in range(10):
            (place / f"file-{file}.py").touch()
    return root


async def _compared(what: str, asks: Sequence[Ask]) -> AsyncIterator[Measurement]:
    """Measure without and with, by turns."""
    without: list[float] = []
    kept: list[float] = []
    ratios: list[float] = []
    for ask in asks:
        await ask()
    for _ in range(_ROUNDS):
        turn = [await _each(ask, _TURN) for ask in asks]
        without += turn[0]
        kept += turn[1]
        ratios.append(statistics.median(turn[1]) / statistics.median(turn[0]))
    base = Measurement(f"{what}, without", _us(without), "µs", fsync="none")
    yield base
    yield Measurement(f"{what}, kept", _us(kept), "µs", "without", base.median, ratios, fsync="none")


async def _many(ask: Ask, times: int) -> float:
    """Return the processor's time for so many: the wall's would be that of whoever interrupts."""
    started = time.thread_time()
    for _ in range(times):
        await ask()
    return time.thread_time() - started


async def _each(ask: Ask, times: int) -> list[float]:
    samples = []
    for _ in range(times):
        started = time.perf_counter()
        await ask()
        samples.append(time.perf_counter() - started)
    return samples


def _us(samples: Sequence[float], each: int = 1) -> list[float]:
    return [1e6 * one / each for one in samples]


@asynccontextmanager
async def _replica(folder: Path) -> AsyncIterator[tuple[Spread, str]]:
    """Lend the way to other replicas over a Redis of its own, and the address of that."""
    with running_redis(folder) as server:
        pool = RedisPool(read_address(server.url))
        bus = Bus(pool)
        tasks = [asyncio.create_task(pool.run()), asyncio.create_task(bus.run())]
        await pool.wait_looked()
        spread = Spread(pool, bus, "bench")
        await bus.wait_hearing()
        yield spread, server.url
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await pool.close()
