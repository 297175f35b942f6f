"""The whole runner under every fault of the scripted agent: executor, agent calls, supervisor, SQLite."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog

from wireroom.app.ids import workdir_of
from wireroom.backends.demo import DemoParser
from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    AgentResult,
    AnyBackend,
    Command,
    StreamParser,
)
from wireroom.clock import SystemClock, to_ms
from wireroom.delivery.progress import NoProgress
from wireroom.intake.ask import Asker, Question
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.jobs.port import QueueSpec
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, RunPolicy
from wireroom.runs.cancel import cancel_run
from wireroom.runs.driver import AgentDriver
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed, run_topic
from wireroom.runs.limits import Limits
from wireroom.runs.places import PlacedDriver
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.states import RunState
from wireroom.settings import Settings
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend
from wireroom.workspaces.mcp import McpServers
from wireroom.workspaces.workspace import Workspaces

SLOTS = 5
_WAITING = 4 * SLOTS
_LANES = 2 * SLOTS
_RUNS_A_CONVERSATION = 100
_STOPPED_EARLY = 4
"""One in so many of those that are stopped is so in the queue, the others as soon as they have begun."""
_SAMPLES = 200
_MISSING, _BREAK = "not installed", "raw break"

LIMITS = Limits(
    hard=timedelta(seconds=3),
    idle=timedelta(seconds=2),
    grace=timedelta(seconds=0.05),
    drain=timedelta(seconds=0.05),
    head_bytes=2048,
    tail_bytes=2048,
    line_bytes=4096,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What an agent does, and how its run must end."""

    script: str
    state: str
    error_code: str | None = None
    output: str | None = None
    """What must have been kept; None: whatever it is."""


QUICK = {
    "answers": Fault("say hello", "succeeded", output="hello"),
    "fails": Fault("say hello; exit 3", "failed", "agent_failed", "hello"),
    "crashes": Fault("say hello; crash", "failed", "agent_failed", "hello"),
    "reports a failure": Fault("fail broken", "failed", "agent_failed"),
    "floods, which spills": Fault("flood 500; say dry", "succeeded", output="dry"),
    "leaves an orphan": Fault("orphan; say hello", "succeeded", output="hello"),
    "leaves a daemon": Fault("daemon; say hello", "succeeded", output="hello"),
    "leaves a stubborn orphan": Fault("stubborn; orphan; exit 1", "failed", "agent_failed"),
    "splits code points": Fault("utf8 žluť🐎", "succeeded", output="žluť🐎"),
    "writes a huge line": Fault("line 100000; say hello", "succeeded", output="hello"),
    "writes half a line": Fault("partial half", "failed", "agent_failed"),
    "closes stdout": Fault("close; exit 2", "failed", "agent_failed"),
    "exits before its child": Fault("late 0.01; exit 0", "failed", "agent_failed"),
    "is not installed": Fault(_MISSING, "failed", "agent_missing"),
    "breaks its parser": Fault(f"say hello; {_BREAK}; hang", "failed", "internal"),
    "is stopped": Fault("hang", "cancelled"),
}
SLOW = {
    "never ends": Fault("stream 200 0.05", "timed_out", "timeout"),
    "falls silent": Fault("say hello; hang", "timed_out", "idle_timeout", "hello"),
    "ignores SIGTERM": Fault("stubborn; hang", "timed_out", "idle_timeout"),
}
_QUICK_FOR_SLOW = 4


def plan(runs: int) -> list[str]:
    """Return the faults in turn; those that take seconds come once in four rounds of the others."""
    rounds = itertools.cycle([*itertools.repeat([*QUICK], _QUICK_FOR_SLOW), [*SLOW]])
    return list(itertools.islice(itertools.chain.from_iterable(rounds), runs))


@dataclass(frozen=True, slots=True)
class Sample:
    """What the process held after so many runs."""

    runs: int
    seconds: float
    rss_bytes: int
    descriptors: int
    tasks: int


class _SoakBackend(ScriptedBackend):
    def command(self, request: AgentRequest) -> Command:
        command = super().command(request)
        return replace(command, argv=("no-such-program",)) if request.prompt == _MISSING else command

    def parser(self) -> StreamParser:
        return _BreakingParser()


class _BreakingParser:
    def __init__(self) -> None:
        self._demo = DemoParser()

    def feed(self, line: str) -> Iterable[AgentEvent]:
        if line == "break":
            raise ZeroDivisionError
        return self._demo.feed(line)

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        return self._demo.result(exit_code, stderr)


class RunnerSoak:
    """Asks for runs, always more than there are slots, and counts how they end; see `soaking`."""

    def __init__(self, db: SqliteDatabase, asker: Asker, jobs: EmbeddedJobs, feed: Feed) -> None:
        self.wrong: Counter[tuple[str, str, str | None, str | None]] = Counter()
        """Ends that were not as they must be: fault, state, error code, output."""
        self.ended: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._db, self._asker, self._jobs, self._feed = db, asker, jobs, feed
        self._clock = SystemClock()
        self._started = time.monotonic()

    async def run(self, faults: list[str]) -> None:
        """Run all of them."""
        self._started, every = time.monotonic(), max(1, len(faults) // _SAMPLES)
        waiting = asyncio.Semaphore(_WAITING)
        async with asyncio.TaskGroup() as group:
            for number, name in enumerate(faults):
                await waiting.acquire()
                task = group.create_task(self._one(number, name), name=f"soak {number} {name}")
                task.add_done_callback(lambda _: waiting.release())
                if number % every == 0:
                    self._sample(number)
        self._sample(len(faults))

    async def _one(self, number: int, name: str) -> None:
        fault = (QUICK | SLOW)[name]
        lane = f"lane-{number % _LANES}"
        question = Question(self._asker.new_id("request"), fault.script, lane, "api")
        now_ms = to_ms(self._clock.now())
        if number // _LANES % _RUNS_A_CONVERSATION == 0:
            await self._db.write(lambda conn: self._asker.begin(conn, lane, "api", now_ms))
        run_id = await self._db.write(lambda conn: self._asker.ask(conn, question, now_ms))
        assert run_id is not None
        if fault.state == "cancelled":
            if number % _STOPPED_EARLY:
                await self._run_once(run_id, lambda run: run.state is not RunState.QUEUED)
            await self._db.write(lambda conn: cancel_run(conn, self._jobs, run_id, now_ms))
        self._note(name, fault, await self._run_once(run_id, lambda run: run.state.is_final))

    async def _run_once(self, run_id: str, wanted: Callable[[RunView], bool]) -> RunView:
        """Return the run once it is as wanted."""
        with self._feed.listen(run_topic(run_id)) as news:
            while True:
                news.clear()
                run = await self._db.read(lambda conn: find_run(conn, run_id))
                if run is not None and wanted(run):
                    return run
                await news.wait()

    def _note(self, name: str, fault: Fault, run: RunView) -> None:
        self.ended[name] += 1
        code = run.report.error_code if fault.error_code else None
        as_it_must = (run.state.value, code) == (fault.state, fault.error_code)
        if not as_it_must or (fault.output is not None and run.output != fault.output):
            self.wrong[name, run.state.value, code, run.output] += 1

    def _sample(self, runs: int) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.samples.append(
            Sample(
                runs=runs,
                seconds=round(time.monotonic() - self._started, 3),
                rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"),
                descriptors=len(list(Path("/proc/self/fd").iterdir())),
                tasks=len(asyncio.all_tasks()),
            )
        )


@dataclass(frozen=True, slots=True)
class Soaking:
    """A runner at work."""

    soak: RunnerSoak
    db: SqliteDatabase
    worker: EmbeddedWorker
    prefix: str
    """How the ids of its runs begin."""


@asynccontextmanager
async def soaking(database_path: Path) -> AsyncIterator[Soaking]:
    """Run the runner, without its log, on a migrated file until the block is left."""
    spoken = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    folder, clock, feed = database_path.parent, SystemClock(), Feed()
    settings, prefix = Settings(data_dir=folder), f"soak-{uuid.uuid4().hex}"
    numbers = itertools.count()
    db = SqliteDatabase(database_path)
    worker = EmbeddedWorker(db, [QueueSpec(records.QUEUE, SLOTS)], clock)
    jobs, policy = EmbeddedJobs(clock, worker), RunPolicy(LIMITS)
    backend = _SoakBackend(ScriptedAgent(folder))
    calls = AgentCalls(db=db, clock=clock, feed=feed, policy=policy, spill_dir=folder / "spill")
    agents = AgentDriver(db=db, clock=clock, backend=lambda _: _any(backend), policy=policy, calls=calls)
    executor = Executor(
        db=db,
        jobs=jobs,
        clock=clock,
        feed=feed,
        progress=NoProgress(),
        policy=policy,
        driver=PlacedDriver(
            agents,
            workspaces=Workspaces(settings, os.environ, clock),
            tools=McpServers(settings, os.environ, clock),
            data_dir=folder,
        ),
        worker="soak",
    )
    asker = Asker(
        jobs,
        feed,
        backend=backend.name,
        workdir=workdir_of(settings),
        new_id=lambda what: f"{prefix}-{what}-{next(numbers)}",
    )
    working = asyncio.create_task(worker.run({records.KIND: executor.handle}), name="jobs")
    try:
        yield Soaking(RunnerSoak(db, asker, jobs, feed), db, worker, prefix)
    finally:
        await worker.drain(timedelta())
        await asyncio.gather(working, return_exceptions=True)
        await db.close()
        structlog.configure(**spoken)


def _any(backend: AnyBackend) -> AnyBackend:
    return backend
