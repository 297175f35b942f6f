"""Every ending of a run has a word for programs, and a loop is shown while it works."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from loop_backend import LoopBackend, complete, go_on
from loop_bench import LoopBench, loop_bench
from wireroom.backends.protocol import AgentRequest, Command
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import AgentUnavailable
from wireroom.runs.agent_call import RunPolicy
from wireroom.runs.limits import Limits
from wireroom.runs.options import RunReport
from wireroom.runs.states import RunMode, RunState
from wireroom.testing.eventually import eventually
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)
QUICK = Limits(hard=timedelta(seconds=0.4), idle=timedelta(seconds=20), grace=timedelta(seconds=0.2))
IDLE = Limits(hard=timedelta(seconds=20), idle=timedelta(seconds=0.4), grace=timedelta(seconds=0.2))


@asynccontextmanager
async def benched(database_path: Path, policy: RunPolicy) -> AsyncIterator[LoopBench]:
    """Lend a bench with these limits."""
    backend = LoopBackend(ScriptedAgent(database_path.parent / "agent"), {})
    async with loop_bench(database_path, backend, policy=policy) as bench:
        yield bench


@pytest.mark.parametrize(
    ("prompt", "limits", "state", "code"),
    [
        pytest.param("say ok", Limits(), RunState.SUCCEEDED, None, id="success"),
        pytest.param("exit 3", Limits(), RunState.FAILED, "agent_failed", id="exit-code"),
        pytest.param("fail oh", Limits(), RunState.FAILED, "agent_failed", id="reported-failure"),
        pytest.param("say ok; hang", QUICK, RunState.TIMED_OUT, "timeout", id="hard-limit"),
        pytest.param("say ok; hang", IDLE, RunState.TIMED_OUT, "idle_timeout", id="idle-limit"),
    ],
)
async def test_ending_of_a_plain_run_has_a_word_for_programs(
    database_path: Path, prompt: str, limits: Limits, state: RunState, code: str | None
) -> None:
    """The report names the command line, without the prompt, and how it ended."""
    async with benched(database_path, RunPolicy(limits)) as bench:
        await bench.ask(prompt, mode=RunMode.EXECUTE)
        run = await bench.ended()
    assert run.state is state
    assert run.report == RunReport(command=bench.backend.agent.argv(), error_code=code)


class _Absent(LoopBackend):
    """A back end whose program is not installed."""

    def command(self, request: AgentRequest) -> Command:
        raise AgentUnavailable(f"scripted is not installed in {request.workdir}")


@pytest.mark.parametrize("mode", RunMode)
async def test_agent_that_is_not_installed_is_told_as_missing(database_path: Path, mode: RunMode) -> None:
    """A missing program is not the agent's failure; a loop does not go on without it."""
    backend = _Absent(ScriptedAgent(database_path.parent / "agent"), {})
    async with loop_bench(database_path, backend) as bench:
        await bench.ask("say ok", mode=mode)
        run = await bench.ended()
    assert (run.state, run.report.error_code) == (RunState.FAILED, "agent_missing")
    assert "not installed" in (run.reason or "")


async def test_stopped_run_is_told_as_cancelled(database_path: Path) -> None:
    """A person's stop is no failure of the agent."""
    async with benched(database_path, RunPolicy(Limits())) as bench:
        await bench.ask("hang", mode=RunMode.EXECUTE)
        await eventually(lambda: bench.backend.agent.ledger.starts().total() == 1, "the agent works", 10)
        await bench.stop()
        run = await bench.ended()
    assert (run.state, run.report.error_code) == (RunState.CANCELLED, "cancelled")


async def test_run_that_may_not_go_on_is_told_as_interrupted(database_path: Path) -> None:
    """The next start says so with what the agent had said."""
    policy = RunPolicy(Limits(), resume_interrupted=False)
    async with benched(database_path, policy) as bench:
        await bench.ask("say half; hang", mode=RunMode.EXECUTE)
        await eventually(lambda: bench.backend.agent.ledger.starts().total() == 1, "the agent works", 10)
    async with benched(database_path, policy) as bench:
        run = await bench.ended()
    assert (run.state, run.report.error_code) == (RunState.INTERRUPTED, "interrupted")


@pytest.mark.parametrize(
    ("waiting", "state", "code"),
    [
        pytest.param(timedelta(hours=3), RunState.FAILED, "queue_timeout", id="too-long"),
        pytest.param(timedelta(hours=1), RunState.SUCCEEDED, None, id="long"),
    ],
)
async def test_run_that_waited_too_long_is_given_up(
    database_path: Path, waiting: timedelta, state: RunState, code: str | None
) -> None:
    """Its agent is not started, and the reason is plain."""
    async with benched(database_path, RunPolicy(Limits(), queue_wait=timedelta(hours=2))) as bench:
        await bench.ask("say ok", mode=RunMode.EXECUTE, waiting=waiting)
        run = await bench.ended()
    assert (run.state, run.report.error_code) == (state, code)
    if code:
        assert run.reason == "Its turn did not come within 2 h, so it was given up."
        assert bench.backend.agent.ledger.entries() == []


class _RecordingProgress:
    """Remembers what was shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def open(self, run_id: str) -> ProgressLine:
        del run_id
        return self

    def show(self, text: str) -> None:
        self.shown.append(text)

    async def close(self) -> None:
        self.shown.append("closed")


async def test_progress_of_a_loop_names_round_and_phase(database_path: Path) -> None:
    """People see the worker's words under the round's heading, and of a review its heading alone."""
    backend = LoopBackend(
        ScriptedAgent(database_path.parent / "agent"), {"one": go_on("say two"), "two": complete()}
    )
    progress = _RecordingProgress()
    async with loop_bench(database_path, backend, progress=progress) as bench:
        await bench.ask("say one")
        await bench.ended()
    assert list(dict.fromkeys(progress.shown)) == [
        "🔁 Round 1 of 6, work",
        "🔁 Round 1 of 6, work\n\n⏳ Working …\n\none",
        "🔁 Round 1 of 6, review",
        "🔁 Round 2 of 6, work",
        "🔁 Round 2 of 6, work\n\n⏳ Working …\n\ntwo",
        "🔁 Round 2 of 6, review",
        "closed",
    ]
