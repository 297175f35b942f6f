"""One of several processes leads: it is replaced within 5 s however it ends, and two never work for long."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from wireroom.store.leader import Leader
from wireroom.store.leadership import Lease
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = pytest.mark.postgres

TAKE_OVER_SECONDS = 5.0
HAND_OVER_SECONDS = 1.0
_CHILD = Path(__file__).with_name("leader_child.py")


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend an empty database; the lock is its own."""
    with postgres.database(migrated=False) as url:
        yield url


class Candidate:
    """A leadership in this process, with what became of its terms."""

    def __init__(self, url: str) -> None:
        self.leader = Leader(url)
        self.terms = 0
        self.at_work = False
        self.failure: Exception | None = None

    async def term(self) -> None:
        """Work until cancelled, or fail."""
        self.terms += 1
        self.at_work = True
        try:
            if self.failure is not None:
                raise self.failure
            await asyncio.Event().wait()
        finally:
            self.at_work = False


@asynccontextmanager
async def standing(url: str) -> AsyncIterator[Candidate]:
    """Lend a candidate that stands for election, ended gracefully."""
    candidate = Candidate(url)
    running = asyncio.create_task(candidate.leader.run(candidate.term))
    try:
        yield candidate
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


@asynccontextmanager
async def leading(url: str) -> AsyncIterator[Candidate]:
    """Lend a candidate that leads already."""
    async with standing(url) as candidate:
        await eventually(lambda: candidate.at_work, "the only candidate leads")
        yield candidate


class Child:
    """A leadership in a process of its own, which may be killed or stopped."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def listen(self) -> None:
        """Note what it says, beside its log, until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            if (word := line.decode().strip()) in {"leads", "over"}:
                self.said.append(word)


@asynccontextmanager
async def child_leading(url: str) -> AsyncIterator[Child]:
    """Lend a process that leads; killed afterwards if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_CHILD), url, stdout=asyncio.subprocess.PIPE
    )
    child = Child(process)
    listening = asyncio.create_task(child.listen())
    try:
        await eventually(lambda: child.said == ["leads"], "the process leads")
        yield child
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await listening


async def taken_over(candidate: Candidate, since: float) -> float:
    """Return after how many seconds the candidate leads."""
    await eventually(lambda: candidate.at_work, "the candidate leads", 2 * TAKE_OVER_SECONDS)
    return time.monotonic() - since


async def test_one_of_two_candidates_leads(url: str) -> None:
    """While one leads and lives, the other does nothing, for longer than silence is borne."""
    async with leading(url) as first, standing(url) as second:
        await asyncio.sleep(Lease().evict_after + 1)

        assert (first.terms, first.at_work, second.terms) == (1, True, 0)


async def test_graceful_end_hands_over_at_once(url: str) -> None:
    """A leader that is told to end stops its work, and a candidate leads without waiting for a lease."""
    async with AsyncExitStack() as first_ends:
        first = await first_ends.enter_async_context(leading(url))
        async with standing(url) as second:
            await eventually(lambda: heard(url), "the candidate waits for a notice")
            since = time.monotonic()
            await first_ends.aclose()

            assert not first.at_work
            assert await taken_over(second, since) < HAND_OVER_SECONDS


async def test_killed_leader_is_replaced(url: str) -> None:
    """After a kill -9 a candidate leads within 5 s."""
    async with child_leading(url) as child, standing(url) as second:
        since = time.monotonic()
        child.process.kill()

        assert await taken_over(second, since) < TAKE_OVER_SECONDS


async def test_stopped_leader_is_replaced_and_stands_down_when_it_goes_on(url: str) -> None:
    """A leader that is stopped past its lease loses it, and finds that out by itself."""
    async with child_leading(url) as child, standing(url) as second:
        since = time.monotonic()
        child.process.send_signal(signal.SIGSTOP)
        assert await taken_over(second, since) < TAKE_OVER_SECONDS

        child.process.send_signal(signal.SIGCONT)
        await eventually(lambda: child.said == ["leads", "over"], "the first stands down", 2.0)
        assert (second.at_work, second.terms) == (True, 1)


async def test_leader_whose_connection_is_ended_stands_down_and_may_lead_again(url: str) -> None:
    """A connection that an administrator or a restart ends is the end of a term, not of the process."""
    async with leading(url) as first:
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute(END_LEADER)

        await eventually(lambda: first.terms == 2 and first.at_work, "it leads again", TAKE_OVER_SECONDS)


async def test_leader_that_is_cut_off_gives_up_before_another_takes_over(url: str) -> None:
    """With the network gone and nothing closed, the first has stopped by the time that the second begins."""
    async with cabled(url) as (cable, through), leading(through) as first, standing(url) as second:
        cable.is_cut = True
        since = time.monotonic()
        await eventually(lambda: not first.at_work or second.at_work, "somebody notices")

        assert (first.at_work, second.at_work) == (False, False)
        assert await taken_over(second, since) < TAKE_OVER_SECONDS


async def test_failure_of_the_work_is_passed_on(url: str) -> None:
    """What the work raises ends the process's part in this, as it does without a leader; the lock is free."""
    candidate = Candidate(url)
    candidate.failure = LookupError("no such row")
    with pytest.raises(LookupError, match="no such row"):
        await candidate.leader.run(candidate.term)

    async with leading(url) as second:
        assert second.terms == 1


END_LEADER = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'wireroom leader' AND datname = current_database()
"""
_CANDIDATES = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'wireroom leader' AND datname = current_database() AND query LIKE '%pg_locks%'
"""


def heard(url: str) -> bool:
    """Return whether a candidate has looked at the lock, and waits."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(_CANDIDATES).fetchone()
    return row is not None and row[0] > 0


class Cable:
    """Passes bytes between a client and the server, until it is cut: nothing passes then, nothing closes."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._links: set[asyncio.Task[None]] = set()
        self.is_cut = False

    def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a client."""
        link = asyncio.create_task(self._link(reader, writer), name="link of the cable")
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def close(self) -> None:
        """End all connections."""
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._place)
        try:
            await asyncio.gather(self._pass_on(reader, to_server), self._pass_on(from_server, writer))
        finally:
            for end in (writer, to_server):
                end.close()
            with suppress(OSError):
                await asyncio.gather(writer.wait_closed(), to_server.wait_closed())

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.is_cut:
                    writer.write(data)
        if not self.is_cut:
            writer.close()


@asynccontextmanager
async def cabled(url: str) -> AsyncIterator[tuple[Cable, str]]:
    """Lend a cable to the server, and the URL that leads through it."""
    parts = urlsplit(url)
    cable = Cable(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    server = await asyncio.start_server(cable.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield cable, f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        await cable.close()
        await server.wait_closed()
