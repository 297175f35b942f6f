"""Runs and rounds of one session are each told their own share of it; nothing counts twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection

from loop_backend import CONVERSATION, LANE, RUN, LoopBackend, complete, go_on, run_named
from loop_bench import LoopBench, loop_bench
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, StreamParser
from wireroom.clock import to_ms
from wireroom.conversations.threads import NewConversation, Session, begin_conversation, session_of
from wireroom.runs import records
from wireroom.runs.budget import Price
from wireroom.runs.events import read_events
from wireroom.runs.loop_policy import LoopPolicy
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.rounds import read_rounds
from wireroom.runs.states import RunState
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)
A, B, C, D = (run_named(name) for name in "abcd")
MILLION = 1_000_000
A_DOLLAR_A_MILLION = LoopPolicy(prices={"scripted": Price(input=1.0, output=1.0)})


class _CountingBackend(LoopBackend):
    """Tells what its session has used, as its script says: `raw total TOKENS`; knows no session `gone`."""

    def command(self, request: AgentRequest) -> Command:
        if request.session_id == "gone":
            return self.agent.command(request.prompt, request.workdir, "raw lost")
        return super().command(request)

    def parser(self) -> StreamParser:
        return _CountingParser(super().parser())


class _CountingParser:
    def __init__(self, inner: StreamParser) -> None:
        self._inner = inner
        self._total: int | None = None
        self._lost = False

    def feed(self, line: str) -> Iterable[AgentEvent]:
        if line.startswith("total "):
            self._total = int(line.removeprefix("total "))
            return []
        self._lost = self._lost or line == "lost"
        return self._inner.feed(line)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        told = {} if self._total is None else {"input_tokens": self._total}
        result = replace(self._inner.result(exit_code, stderr), session_usage=told, session_lost=self._lost)
        return replace(result, is_error=True) if self._lost else result


@asynccontextmanager
async def counting(
    database_path: Path, *, loops: LoopPolicy | None = None, **reviews: str
) -> AsyncIterator[LoopBench]:
    """Lend a bench whose agents count by the session."""
    backend = _CountingBackend(ScriptedAgent(database_path.parent / "agent"), reviews)
    async with loop_bench(database_path, backend, loops=loops) as bench:
        yield bench


def begin(conn: Connection, workdir: Path) -> None:
    """Begin the conversation."""
    begin_conversation(conn, NewConversation(CONVERSATION, "web", LANE, str(workdir)), 1)


def create(conn: Connection, bench: LoopBench, run_id: str, prompt: str, workdir: Path | None = None) -> None:
    """Store a run of the conversation."""
    new = records.NewRun(
        run_id, run_id, CONVERSATION, LANE, "web", prompt, LoopBackend.name, str(workdir or bench.workdir)
    )
    records.create_run(conn, bench.jobs, new, to_ms(bench.clock.now()))


async def run_to_its_end(bench: LoopBench, run_id: str, prompt: str, workdir: Path | None = None) -> RunView:
    """Ask in the conversation and return the run once it is over."""
    await bench.db.write(lambda conn: create(conn, bench, run_id, prompt, workdir))
    return await ended(bench, run_id)


async def ended(bench: LoopBench, run_id: str) -> RunView:
    """Return the run once it is over."""
    found: list[RunView] = []

    async def is_over() -> bool:
        run = await bench.db.read(lambda conn: find_run(conn, run_id))
        found[:] = [run] if run else []
        return bool(found) and found[0].state.is_final

    await eventually(is_over, f"{run_id} ends", 20)
    return found[0]


async def session(bench: LoopBench) -> Session | None:
    """Return what is stored of the conversation's session."""
    return await bench.db.read(lambda conn: session_of(conn, CONVERSATION, LoopBackend.name))


def tokens(run: RunView) -> int | None:
    """Return what the run is told to have used."""
    return run.usage["input_tokens"] if run.usage else None


async def test_runs_of_a_conversation_are_told_their_own_share(database_path: Path) -> None:
    """Three runs of one session, the service restarted in between: their figures add up to the session's."""
    async with counting(database_path) as bench:
        await bench.db.write(lambda conn: begin(conn, bench.workdir))
        first = await run_to_its_end(bench, A, "session s-1; raw total 100; say one")
        second = await run_to_its_end(bench, B, "session s-1; raw total 250; say two")
    async with counting(database_path) as again:
        third = await run_to_its_end(again, C, "session s-1; raw total 300; say three")
        events = await again.db.read(lambda conn: read_events(conn, C))
        assert await session(again) == Session("s-1", str(again.workdir), {"input_tokens": 300})
    assert [tokens(run) for run in (first, second, third)] == [100, 150, 50]
    usage = {"input_tokens": 50, "output_tokens": 0, "cost_usd": None}
    assert [one.payload for one in events if one.kind == "usage"] == [usage]
    assert third.usage == usage
    assert [one.session_id for one in again.backend.requests] == ["s-1"]


async def test_session_is_resumed_in_its_own_folder_only(database_path: Path) -> None:
    """Agents find their sessions by folder: in another one they are told what was said before."""
    other = database_path.parent / "other"
    async with counting(database_path) as bench:
        await bench.db.write(lambda conn: begin(conn, bench.workdir))
        for run_id, said, folder in ((A, "one", None), (B, "two", other), (C, "three", other)):
            await run_to_its_end(bench, run_id, f"session s-{folder}; say {said}", folder)
        last = await run_to_its_end(bench, D, "say four")
    assert last.state is RunState.SUCCEEDED
    asked = bench.backend.requests
    assert [one.session_id for one in asked] == [None, None, f"s-{other}", None]
    assert [bool(one.context) for one in asked] == [False, True, False, True]
    assert "You: three" in asked[3].context


async def test_run_that_told_nothing_is_in_the_share_of_the_next(database_path: Path) -> None:
    """An agent that failed without a figure leaves what was known of its session."""
    async with counting(database_path) as bench:
        await bench.db.write(lambda conn: begin(conn, bench.workdir))
        await run_to_its_end(bench, A, "session s-1; raw total 100; say one")
        silent = await run_to_its_end(bench, B, "session s-1; crash")
        third = await run_to_its_end(bench, C, "session s-1; raw total 300; say three")
    assert (silent.usage, tokens(third)) == (None, 200)


async def test_lost_session_takes_along_what_was_known_of_it(database_path: Path) -> None:
    """The session that replaces it counts from 0, in the same run and in the next."""
    async with counting(database_path) as bench:
        await bench.db.write(lambda conn: begin(conn, bench.workdir))
        await run_to_its_end(bench, A, "session gone; raw total 10; say one")
        second = await run_to_its_end(bench, B, "session s-2; raw total 30; say two")
        third = await run_to_its_end(bench, C, "session s-2; raw total 50; say three")
        assert await session(bench) == Session("s-2", str(bench.workdir), {"input_tokens": 50})
    assert [tokens(second), tokens(third)] == [30, 20]


async def test_attempt_after_a_kill_goes_on_from_what_was_stored(database_path: Path) -> None:
    """What the attempt used that was cut off counts for the next one, and what was told before does not."""
    async with counting(database_path) as bench:
        await bench.db.write(lambda conn: begin(conn, bench.workdir))
        await run_to_its_end(bench, A, "session s-1; raw total 100; say one")

    def killed(conn: Connection) -> None:
        create(conn, bench, B, "session s-1; raw total 400; say two")
        attempt = records.begin_attempt(conn, B, worker="killed", now_ms=5, lease_ms=1)
        assert attempt is not None
        assert (attempt.session_id, attempt.session_usage) == ("s-1", {"input_tokens": 100})
        records.note_session(conn, attempt, "s-1")

    async with counting(database_path) as again:
        await again.db.write(killed)
        run = await ended(again, B)
    assert (run.state, run.interruptions, tokens(run)) == (RunState.SUCCEEDED, 1, 300)


async def test_rounds_of_a_session_keep_a_budget_that_counting_twice_would_break(database_path: Path) -> None:
    """Three rounds of a million tokens each and their reviews cost $3.30, also with a stop in between."""
    gate = ScriptedAgent(database_path.parent / "agent").gate("second")
    reviews = {
        "one": "session r-1\nraw total 100000\n" + go_on(f"session s-1\n{gate}\nraw total 2000000\nsay two"),
        "two": "session r-2\nraw total 100000\n" + go_on("session s-1\nraw total 3000000\nsay three"),
        "three": "session r-3\nraw total 100000\n" + complete(),
    }
    async with counting(database_path, loops=A_DOLLAR_A_MILLION, **reviews) as looped:
        await looped.ask("session s-1; raw total 1000000; say one", RunOptions(budget_usd=3.5))
        ledger = looped.backend.agent.ledger
        await eventually(lambda: ledger.starts().total() == 3, "the second round works", 10)
    looped.backend.agent.open_gate("second")
    async with counting(database_path, loops=A_DOLLAR_A_MILLION, **reviews) as again:
        run = await again.ended()
        rounds = await again.db.read(lambda conn: read_rounds(conn, RUN))
        assert await session(again) == Session("s-1", str(again.workdir), {"input_tokens": 3 * MILLION})
    assert (run.state, run.output, run.reason) == (RunState.SUCCEEDED, "three", None)
    used = [(one.kind.value, one.usage.get("input_tokens")) for one in rounds]
    review = ("review", MILLION // 10)
    assert used == [
        ("work", MILLION),
        review,
        ("work", None),
        ("work", MILLION),
        review,
        ("work", MILLION),
        review,
    ]
    assert run.usage is not None
    assert run.usage["input_tokens"] == 3_300_000
    assert run.usage["cost_usd"] == pytest.approx(3.3)
