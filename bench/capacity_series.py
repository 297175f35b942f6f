"""Series of one kind of work on a service of its own, and what one piece of each costs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import aiohttp

from bench.agents import agent_posts, running_target
from bench.capacity_store import Sizes, StoreReading, StoreView
from bench.http_load import drive, get, post
from bench.service_process import SECRET, Served
from bench.webhook import bot_settings, running_outside
from wireroom.load.server_figures import counts_of

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SETTLE_SECONDS = 600
_START_SECONDS = 180
_PERSON, _STRANGER = 1_000, 900_000
_PEOPLE = 100
_WORDS = "the failing test is mended and it was a matter of time zones "
_PROMPT = "say " + _WORDS * 7
"""What the scripted agent is told, 430 letters, and answers."""
_WARM_UP = 40
REST_SECONDS = 15.0
_YEAR_MS = 365 * 86_400_000
REFUSED, ANSWERED, CALLED, READ = (
    "an update of a stranger",
    "a message, run and answered",
    "a call of an agent",
    "a list of runs, read",
)


@dataclass(frozen=True, slots=True)
class Reading:
    """All counters in one moment."""

    at: float
    """`time.monotonic()`."""
    process_ms: float
    store: StoreReading
    statements: float
    group_commits: float
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class Spent:
    """What one piece of work cost, the mean of a series."""

    what: str
    count: int
    process_ms: float
    database_ms: float
    statements: float
    commits: float
    log_bytes: float
    table_bytes: float
    index_bytes: float
    tables: Mapping[str, tuple[float, float]]
    """Bytes of table and indexes for one piece, of those tables that grew."""


@dataclass(frozen=True, slots=True)
class Used:
    """What was used between two readings, or in a second of rest."""

    process_ms: float = 0.0
    database_ms: float = 0.0
    statements: float = 0.0
    commits: float = 0.0
    log_bytes: float = 0.0

    def less(self, other: Used, share: float) -> Used:
        """Return this without so much of the other."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Used(*(mine - share * theirs for mine, theirs in pairs))

    def each(self, count: float) -> Used:
        """Return the share of one of `count`."""
        return Used(*(value / count for value in astuple(self)))


def used(before: Reading, after: Reading) -> Used:
    """Return the difference of two readings. Pure."""
    commits = after.store.commits - before.store.commits or after.group_commits - before.group_commits
    return Used(
        process_ms=after.process_ms - before.process_ms,
        database_ms=after.store.cpu_ms - before.store.cpu_ms,
        statements=after.statements - before.statements,
        commits=commits,
        log_bytes=after.store.log_bytes - before.store.log_bytes,
    )


def spent(what: str, count: int, before: Reading, after: Reading, rest: Used = Used()) -> Spent:
    """Return what one of `count` pieces cost: the difference of two readings, less the time's rest. Pure.

    Args:
        what: The name of the series.
        count: Pieces of it.
        before: All counters before it.
        after: All counters after it.
        rest: What a second uses when nobody asks for anything.
    """
    grew = {
        name: ((own - before.sizes[name][0]) / count, (indexes - before.sizes[name][1]) / count)
        for name, (own, indexes) in after.sizes.items()
        if (own, indexes) != before.sizes[name]
    }
    one = used(before, after).less(rest, after.at - before.at).each(count)
    return Spent(
        what=what,
        count=count,
        **asdict(one),
        table_bytes=sum(own for own, _ in grew.values()),
        index_bytes=sum(indexes for _, indexes in grew.values()),
        tables=grew,
    )


class Series:
    """Sends work to a service and waits until all that follows from it is done."""

    def __init__(self, served: Served, store: StoreView, session: aiohttp.ClientSession) -> None:
        """Measure this service on this store."""
        self._served = served
        self._store = store
        self._session = session
        self._update_id = 0
        self._rest = Used()
        self.resting = 0
        """Jobs that wait for a time that is far away, and that nobody waits for."""

    async def of(self, what: str, requests: Sequence[bytes], *, rests: int = 0) -> Spent:
        """Send the requests, wait for the end of their work, and return what one of them cost.

        Args:
            what: The name of the series.
            requests: Whole HTTP requests.
            rests: Jobs that the requests leave for a time that is far away.
        """
        await self._settled()
        before = await self._read()
        result = await drive(self._served.port, iter(requests), connections=8)
        if any(status >= 300 for status in result.statuses):  # noqa: PLR2004 - HTTP's successes end there
            raise AssertionError(f"{what}: {result.statuses}")
        self.resting += rests
        await self._settled()
        return spent(what, len(requests), before, await self._read(), self._rest)

    def updates(self, count: int, first_person: int = _PERSON) -> list[bytes]:
        """Return webhook requests of new updates, the same number from each person."""
        return list(self._updates(count, first_person))

    def _updates(self, count: int, first_person: int) -> Iterator[bytes]:
        for _ in range(count):
            self._update_id += 1
            person = {"id": first_person + self._update_id % _PEOPLE, "is_bot": False, "first_name": "Ann"}
            chat = {"id": person["id"], "type": "private", "first_name": "Ann"}
            message = {"message_id": self._update_id, "date": 1_700_000_000, "chat": chat, "from": person}
            body = {"update_id": self._update_id, "message": {**message, "text": _PROMPT}}
            secret = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
            yield post("/telegram/webhook", json.dumps(body).encode(), secret)

    def rss_mib(self) -> float:
        """Return the memory of the service's process."""
        pages = int(Path(f"/proc/{self._served.pid}/statm").read_text().split()[1])
        return pages * _PAGE_BYTES / 2**20

    async def rest(self, seconds: float) -> Used:
        """Return what a second uses when nobody asks for anything; later series are told without it."""
        await self._settled()
        before = await self._read()
        await asyncio.sleep(seconds)
        after = await self._read()
        self._rest = used(before, after).each(after.at - before.at)
        return self._rest

    async def _read(self) -> Reading:
        counts = await self._counts()
        return Reading(
            at=time.monotonic(),
            process_ms=self._served.cpu_seconds() * 1000,
            store=await asyncio.to_thread(self._store.read),
            statements=counts["wireroom_store_statements_sent_total"],
            group_commits=counts.get("wireroom_store_commit_seconds_count", 0.0),
            sizes=await asyncio.to_thread(self._store.sizes),
        )

    async def _settled(self) -> None:
        """Return once no job waits or runs, twice a second apart: PostgreSQL tells its counters that late."""
        async with asyncio.timeout(_SETTLE_SECONDS):
            quiet = 0
            while quiet < 2:  # noqa: PLR2004 - as said above
                await asyncio.sleep(1.1)
                quiet = 0 if await self._jobs() else quiet + 1

    async def _jobs(self) -> float:
        counts = await self._counts()
        left = {name: value for name, value in counts.items() if name.startswith("wireroom_jobs_depth")}
        if dead := sum(value for name, value in left.items() if 'state="dead"' in name):
            raise AssertionError(f"{dead:g} jobs were given up")
        return sum(left.values()) - self.resting

    async def _counts(self) -> dict[str, float]:
        async with self._session.get(f"http://127.0.0.1:{self._served.port}/metrics") as answer:
            return counts_of(await answer.text())


async def all_series(store: StoreView, folder: Path, count: int) -> AsyncIterator[Spent]:
    """Yield what refusing, answering, filing a task, calling and reading cost on this store."""
    async with running_outside() as outside, running_target() as target:
        people = ",".join(str(_PERSON + number) for number in range(_PEOPLE))
        environment = {**bot_settings(outside), "WIREROOM_ALLOWED_USERS": people}
        async with measured(store, folder, environment) as series:
            await series.of("warm-up", series.updates(_WARM_UP))
            await series.of("warm-up", series.updates(_PEOPLE, _STRANGER))
            await series.rest(REST_SECONDS)
            yield await series.of(REFUSED, series.updates(2 * count, _STRANGER))
            yield await series.of(ANSWERED, series.updates(count))
            filed = json.dumps({"prompt": _PROMPT}).encode()
            task = post("/api/tasks", filed, {"X-Webhook-Secret": SECRET})
            yield await series.of("a task, filed", [task] * count)
            yield await series.of(CALLED, agent_posts(target, 0, 2 * count))
            await target.all_of(2 * count)
            yield await series.of(READ, [get("/api/runs", {"X-Webhook-Secret": SECRET})] * count)


async def scheduled(series: Series, count: int) -> Spent:
    """Add agents that call nobody within a year, and return what one costs."""
    secret = {"X-Webhook-Secret": SECRET}
    agent = {
        "targetUrl": "http://127.0.0.1:9/hook",
        "schedule": {"every": _YEAR_MS},
        "body": {"what": _WORDS},
    }
    bodies = (json.dumps({"name": f"resting-{number}", **agent}).encode() for number in range(count))
    requests = [post("/agents", body, secret) for body in bodies]
    return await series.of("a scheduled agent, added", requests, rests=count)


@asynccontextmanager
async def measured(store: StoreView, folder: Path, environment: Mapping[str, str]) -> AsyncIterator[Series]:
    """Run the product with scripted agents on the store, without limits of pace, for measuring."""
    settings = {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "LOG_LEVEL": "error",
        "WIREROOM_DATA_DIR": str(folder),
        "WIREROOM_DATABASE_URL": store.url,
        "WIREROOM_DRAIN_SECONDS": "0",
        "WIREROOM_CALLBACK_HOSTS": "127.0.0.1",
        "WIREROOM_MESSAGES_PER_SECOND": "10000",
        "WIREROOM_CHAT_MESSAGES_PER_SECOND": "1000",
        "WIREROOM_ADDRESS_REQUESTS_PER_MINUTE": "0",
        "WIREROOM_IDENTITY_REQUESTS_PER_MINUTE": "0",
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "WEBHOOK_SECRET": SECRET,
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "wireroom.testing.scripted_service", str(folder / "agent")),
        env=os.environ | settings,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdout is None:
        raise AssertionError("the pipe was asked for")
    try:
        greeting = json.loads(await asyncio.wait_for(process.stdout.readline(), _START_SECONDS))
        served = Served(int(greeting["url"].rsplit(":", 1)[1]), process.pid)
        async with aiohttp.ClientSession() as session:
            yield Series(served, store, session)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
