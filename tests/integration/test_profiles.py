"""Profiles of the own process: each names what is planted."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import pytest

from wireroom.errors import BadInput, Conflict
from wireroom.perf.endpoints import Endpoints
from wireroom.perf.evidence import StatementFigures
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.profile_memory import trace_allocations
from wireroom.perf.profile_pyspy import find_py_spy
from wireroom.perf.profile_sampler import cpu_clock
from wireroom.perf.profiles import CpuReport, LoopReport, MemoryReport, ProfileKind, Profiler, SqlReport
from wireroom.testing.eventually import eventually

NO_THREAD = 2**22 + 1
"""Linux numbers threads up to 2 ** 22."""


def burn(ended: threading.Event) -> None:
    """Keep a processor busy."""
    while not ended.is_set():
        sum(number * number for number in range(2000))


def statements() -> Callable[[], Sequence[StatementFigures]]:
    """Return what two statements cost."""
    cheap = StatementFigures("SELECT 1", calls=9, total_seconds=0.1, slowest_seconds=0.01)
    dear = StatementFigures("SELECT * FROM runs", calls=1, total_seconds=2.0, slowest_seconds=2.0)
    return lambda: [cheap, dear]


@pytest.fixture
async def watch() -> AsyncIterator[LoopWatch]:
    """Lend a watch of the test's loop that has begun."""
    watch = LoopWatch()
    running = asyncio.create_task(watch.run())
    await eventually(lambda: watch.loop_thread, "the watch has begun")
    yield watch
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def profiler(watch: LoopWatch) -> Profiler:
    """Return a profiler that takes profiles from within."""
    return Profiler(watch, statements, endpoints=Endpoints(), py_spy=lambda: None)


@pytest.fixture
def burning() -> Iterator[None]:
    """Burn processor time in a thread called `burner`."""
    ended = threading.Event()
    thread = threading.Thread(target=burn, args=(ended,), name="burner")
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.mark.usefixtures("burning")
async def test_cpu_profile_names_the_function_that_burns(profiler: Profiler) -> None:
    """The thread and the function of ours that use the processor come first, with their time."""
    taken = await profiler.take(ProfileKind.CPU, 0.5)

    assert isinstance(taken.report, CpuReport)
    assert taken.report.taken_by == "within"
    assert next(iter(taken.report.threads)) == "burner"
    assert taken.report.ours[0].place.startswith("burn")
    assert taken.report.cpu_seconds > 0
    assert taken.samples


@pytest.mark.usefixtures("burning")
async def test_cpu_profile_from_outside_is_tried_first(watch: LoopWatch) -> None:
    """py-spy is asked when it is installed; where it may not look, the profile comes from within."""
    program = find_py_spy()
    assert program is not None
    taken = await Profiler(watch, statements, py_spy=lambda: program).take(ProfileKind.CPU, 1)

    assert isinstance(taken.report, CpuReport)
    assert taken.report.taken_by in {"py-spy", "within"}
    assert taken.report.ours[0].place.startswith("burn")


async def test_cpu_profile_falls_back_when_the_program_fails(watch: LoopWatch) -> None:
    """A py-spy that is not allowed to look costs nobody the profile."""
    taken = await Profiler(watch, statements, py_spy=lambda: "/bin/false").take(ProfileKind.CPU, 0.1)

    assert isinstance(taken.report, CpuReport)
    assert taken.report.taken_by == "within"


async def test_loop_profile_names_the_task_that_holds_the_loop(profiler: Profiler) -> None:
    """The busy task and its function come first, and its blocks are told."""
    stop = asyncio.Event()

    async def busy() -> None:
        while not stop.is_set():
            time.sleep(0.15)  # noqa: ASYNC251 - the fault that is planted
            await asyncio.sleep(0)

    task = asyncio.create_task(busy(), name="renderer")
    taken = await profiler.take(ProfileKind.LOOP, 1.5)
    stop.set()
    await task

    assert isinstance(taken.report, LoopReport)
    assert next(iter(taken.report.tasks)) == "renderer"
    assert "busy" in taken.report.ours[0].place
    assert 0 < taken.report.busy_seconds <= taken.report.seconds * 1.5
    assert any(block.task == "renderer" for block in taken.report.blocks)


async def test_memory_profile_names_the_line_that_holds(profiler: Profiler) -> None:
    """What is still held at the end is told by line, and by type."""
    kept: list[dict[str, bytes]] = []

    async def leak() -> None:
        while True:
            kept.extend({"body": bytes(10_000)} for _ in range(20))
            await asyncio.sleep(0.01)

    task = asyncio.create_task(leak())
    taken = await profiler.take(ProfileKind.MEMORY, 0.2)
    task.cancel()

    assert isinstance(taken.report, MemoryReport)
    assert taken.report.ours[0].place.startswith("integration/test_profiles.py:")
    assert taken.report.held_bytes >= 200_000
    assert taken.report.peak_bytes >= taken.report.held_bytes
    assert taken.report.growth[0].kind == "rss"
    assert taken.unit == "bytes"


async def test_memory_profile_ends_early_when_there_is_too_much_to_note() -> None:
    """The notes themselves are bounded: the profile says that it ended before its time."""
    found = await trace_allocations(30, most_notes_bytes=0)

    assert found.ended_early
    assert found.seconds < 30


async def test_sql_profile_has_the_dearest_statement_first(profiler: Profiler) -> None:
    """Statements are sorted by the time they took in all."""
    taken = await profiler.take(ProfileKind.SQL, 0.01)

    assert isinstance(taken.report, SqlReport)
    assert [one.shape for one in taken.report.statements] == ["SELECT * FROM runs", "SELECT 1"]
    assert taken.report.total_seconds == pytest.approx(2.1)


async def test_endpoints_are_told_since_the_start_or_for_a_period(watch: LoopWatch) -> None:
    """Without a period every call counts, with one those within it."""
    endpoints = Endpoints()
    endpoints.note("GET /a", 1.0)
    profiler = Profiler(watch, statements, endpoints=endpoints)

    assert [one.calls for one in (await profiler.endpoints(None)).endpoints] == [1]
    assert (await profiler.endpoints(0.01)).endpoints == []


@pytest.mark.parametrize("seconds", [0, -1, 61, float("nan"), float("inf")])
async def test_profile_is_bounded(profiler: Profiler, seconds: float) -> None:
    """No profile is longer than a minute, or not at all."""
    with pytest.raises(BadInput, match="at most 60"):
        await profiler.take(ProfileKind.LOOP, seconds)


async def test_profiles_are_taken_one_at_a_time(profiler: Profiler) -> None:
    """A second one is refused while one is taken, and the next one is not, even after a cancelled one."""
    first = asyncio.create_task(profiler.take(ProfileKind.LOOP, 30))
    await eventually(lambda: profiler._busy_with, "the first one has begun")
    with pytest.raises(Conflict, match=r"A profile \(loop\) is being taken"):
        await profiler.take(ProfileKind.SQL, 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)

    assert isinstance((await profiler.take(ProfileKind.SQL, 0.01)).report, SqlReport)
    assert not any(thread.name == "profiler" for thread in threading.enumerate())


def test_cpu_clock_of_a_thread_grows_with_its_work() -> None:
    """A thread's clock counts its own processor time; of a thread that is not there, there is none."""
    own = threading.get_native_id()
    before = cpu_clock(own)
    sum(range(2_000_000))
    after = cpu_clock(own)

    assert before is not None
    assert after is not None
    assert after > before
    assert cpu_clock(NO_THREAD) is None
