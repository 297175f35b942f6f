"""The rounds of a loop are stored the same on both databases, and only by the newest attempt."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
from sqlalchemy import Connection

from contract.job_engines import Engine, open_engine
from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.errors import LeaseLost
from wireroom.runs import endings, records, rounds
from wireroom.runs.events import append_events
from wireroom.runs.loop import Failed, Round, RoundKind
from wireroom.runs.options import RunReport
from wireroom.runs.review import Continue, ToolUse
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import Verdict

pytestmark = pytest.mark.timeout(60)
RUN = "run-1"
USAGE = {"input_tokens": 3, "output_tokens": 5, "cost_usd": 0.25}
STOPPED = Verdict(RunState.CANCELLED, "", "Stopped on request.", None, "cancelled")


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine with one iterating run whose first attempt has begun; no worker runs."""
    async with open_engine(url) as lent:
        await lent.db.write(lambda conn: _ask(conn, lent))
        yield lent


def _ask(conn: Connection, engine: Engine) -> None:
    begin_conversation(conn, NewConversation("c", "web", "web:one", "/w"), 1)
    new = records.NewRun(RUN, RUN, "c", "web:one", "web", "task", "demo", "/w", mode=RunMode.ITERATE)
    records.create_run(conn, engine.jobs, new, 1)
    records.begin_attempt(conn, RUN, worker="w", now_ms=2, lease_ms=1)


def _open(conn: Connection, kind: RoundKind, now_ms: int, epoch: int = 1) -> int:
    return rounds.open_round(conn, RUN, epoch, kind=kind, number=1, prompt="do it", now_ms=now_ms)


def _two_rounds(conn: Connection) -> None:
    first = _open(conn, RoundKind.WORK, 10)
    failed = rounds.Closing(first, 1, RunState.FAILED, "half", "oh", 3, Failed("agent_failed"), USAGE)
    rounds.close_round(conn, RUN, 1, failed, 20)
    second = _open(conn, RoundKind.REVIEW, 30)
    verdict = Continue("no tests", "write tests")
    rounds.close_round(
        conn, RUN, 1, rounds.Closing(second, 1, RunState.SUCCEEDED, "{}", None, 0, verdict), 40
    )


async def _rounds(engine: Engine) -> Sequence[Round]:
    return await engine.db.read(lambda conn: rounds.read_rounds(conn, RUN))


async def test_rounds_are_read_as_they_were_stored(engine: Engine) -> None:
    """Nothing of a round is lost on the way."""
    await engine.db.write(_two_rounds)
    work, review = await _rounds(engine)
    assert work == Round(
        seq=1,
        kind=RoundKind.WORK,
        state=RunState.FAILED,
        prompt="do it",
        output="half",
        reason="oh",
        exit_code=3,
        judgement=Failed("agent_failed"),
        usage=USAGE,
        started_at=10,
        finished_at=20,
    )
    assert (review.seq, review.judgement) == (2, Continue("no tests", "write tests"))


async def test_attempt_that_is_not_the_newest_stores_no_round(engine: Engine) -> None:
    """A worker that was given up for dead can neither begin nor end a round."""
    await engine.db.write(lambda conn: _open(conn, RoundKind.WORK, 10))
    await engine.db.write(lambda conn: records.begin_attempt(conn, RUN, worker="x", now_ms=3, lease_ms=1))
    closing = rounds.Closing(1, 1, RunState.SUCCEEDED, "late", None, 0)
    for late in (
        lambda conn: _open(conn, RoundKind.REVIEW, 20),
        lambda conn: rounds.close_round(conn, RUN, 1, closing, 20),
        lambda conn: rounds.take_over(conn, RUN, 1, RunReport()),
    ):
        with pytest.raises(LeaseLost):
            await engine.db.write(late)
    assert [(one.state, one.output) for one in await _rounds(engine)] == [(RunState.RUNNING, "")]


async def test_round_that_was_cut_off_lasted_until_its_agent_was_last_heard_of(engine: Engine) -> None:
    """The time in which nobody worked is not counted; what the agent said that it used is."""

    def unit(conn: Connection) -> None:
        _open(conn, RoundKind.WORK, 1_000)
        append_events(conn, RUN, 1, [AgentEvent(EventKind.USAGE, USAGE)], 4_000)
        append_events(conn, RUN, 1, [AgentEvent(EventKind.TEXT, {"text": "x"})], 5_000)
        records.begin_attempt(conn, RUN, worker="x", now_ms=900_000, lease_ms=1)
        rounds.take_over(conn, RUN, 2, RunReport(max_iterations=5))

    await engine.db.write(unit)
    (cut_off,) = await _rounds(engine)
    assert (cut_off.state, cut_off.started_at, cut_off.finished_at) == (RunState.INTERRUPTED, 1_000, 5_000)
    assert cut_off.usage == USAGE


async def test_end_of_a_run_without_an_agent_tells_what_its_rounds_gave(engine: Engine) -> None:
    """Output, usage and counts come from the rounds, and nothing stays open."""

    def unit(conn: Connection) -> tuple[str, str, str]:
        rounds.take_over(conn, RUN, 1, RunReport(max_iterations=5))
        _two_rounds(conn)
        _open(conn, RoundKind.WORK, 50)
        endings.end_without_agent(conn, engine.jobs, RUN, STOPPED, 60)
        row = conn.exec_driver_sql("SELECT output, report, usage FROM runs").one()
        return row[0], row[1], row[2]

    output, report, usage = await engine.db.write(unit)
    assert output == "half"
    assert '"iterations":1,"max_iterations":5,"justification":"no tests"' in report
    assert '"error_code":"cancelled"' in report
    assert '"cost_usd":0.25' in usage
    assert [one.state for one in await _rounds(engine)] == ["failed", "succeeded", "cancelled"]


async def test_run_cut_off_in_a_round_has_the_words_of_that_round(engine: Engine) -> None:
    """What was said in earlier rounds is not said again before it."""

    def unit(conn: Connection) -> str:
        for word in ("first", "second"):
            _open(conn, RoundKind.WORK, 10)
            append_events(conn, RUN, 1, [AgentEvent(EventKind.TEXT, {"text": word})], 20)
            _open(conn, RoundKind.REVIEW, 30)
        endings.end_without_agent(conn, engine.jobs, RUN, STOPPED, 60)
        return str(conn.exec_driver_sql("SELECT output FROM runs").scalar_one())

    assert await engine.db.write(unit) == "second"


async def test_tools_are_told_with_their_ends(engine: Engine) -> None:
    """A call whose end was not seen has none."""

    def unit(conn: Connection) -> Sequence[ToolUse]:
        events = [
            AgentEvent(EventKind.TOOL_CALL, {"id": "1", "name": "bash", "summary": "pytest"}),
            AgentEvent(EventKind.TOOL_CALL, {"id": "2", "name": "bash", "summary": "make"}),
            AgentEvent(EventKind.TOOL_RESULT, {"id": "1", "ok": False, "summary": "1 failed"}),
        ]
        append_events(conn, RUN, 1, events, 100)
        late = {"id": "3", "name": "bash", "summary": "of the reviewer"}
        append_events(conn, RUN, 1, [AgentEvent(EventKind.TOOL_CALL, late)], 201)
        return rounds.tool_uses(conn, RUN, 100, 200)

    assert await engine.db.write(unit) == [ToolUse("pytest", ok=False), ToolUse("make", ok=None)]
