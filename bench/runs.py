"""What a run costs beside its agent: a trivial program, supervised and recorded."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Measurement, benchmark
from wireroom.app.service import Service
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, StreamParser
from wireroom.clock import to_ms
from wireroom.intake.ask import Question
from wireroom.runs.feed import run_topic
from wireroom.runs.queries import find_run
from wireroom.runs.states import RunState
from wireroom.settings import Settings

_RUNS = 200
_WARM_UP = 10
_LIMIT = timedelta(seconds=10)


class _TrueBackend:
    """An agent that says nothing and succeeds: /bin/true."""

    name = "true"
    resumes_sessions = False

    def command(self, request: AgentRequest) -> Command:
        """Return the smallest program there is."""
        return Command(("/bin/true",), request.workdir, {"PATH": os.environ.get("PATH", "/bin")})

    def parser(self) -> StreamParser:
        """Return a parser of nothing."""
        return _Silent()


class _Silent:
    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Read nothing."""
        del line
        return ()

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Say nothing."""
        del stderr
        return AgentResult("", is_error=exit_code != 0)


@benchmark("runs")
async def run_overhead() -> AsyncIterator[Measurement]:
    """Measure a request from asked to its stored end, one at a time, beside the bare start of the program."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        settings = Settings(data_dir=Path(folder), port=0)
        async with Service(settings, backend=_TrueBackend()) as service:
            samples = [await _one(service, number) for number in range(_WARM_UP + _RUNS)][_WARM_UP:]
    bare = [_spawn() for _ in range(_RUNS)]
    yield Measurement(
        "run of a trivial program, asked to ended",
        samples,
        "ms",
        "its bare start and end",
        sorted(bare)[len(bare) // 2],
    )


async def _one(service: Service, number: int) -> float:
    parts = service.services
    started = time.perf_counter()
    question = Question(f"bench-{number}", "nothing", "web:bench", "web")
    now_ms = to_ms(parts.clock.now())
    run_id = await parts.db.write(lambda conn: parts.asker.ask(conn, question, now_ms))
    if run_id is None:
        raise AssertionError("a fresh request id was known")
    async with asyncio.timeout(_LIMIT.total_seconds()):
        with parts.feed.listen(run_topic(run_id)) as news:
            while True:
                news.clear()
                view = await parts.db.read(lambda conn: find_run(conn, run_id))
                if view is not None and view.state.is_final:
                    break
                await news.wait()
    taken = (time.perf_counter() - started) * 1000
    if view.state is not RunState.SUCCEEDED:
        raise AssertionError(f"the run is {view.state}: {view.reason}")
    return taken


def _spawn() -> float:
    started = time.perf_counter()
    subprocess.run(["/bin/true"], check=True)
    return (time.perf_counter() - started) * 1000
