"""The watch names who blocks the event loop, and leaves an idle loop alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from wireroom.perf.loop_lag import Look, LoopWatch, block_of, is_waiting
from wireroom.perf.stacks import stack_of_thread
from wireroom.testing.eventually import eventually


def hold_by_sleeping() -> None:
    """Block and give up the interpreter, as a blocking call of a driver does."""
    time.sleep(0.4)


def hold_by_computing() -> None:
    """Block and keep the interpreter, as a call into a library of C does."""
    sum(range(12_000_000))


@pytest.fixture
async def watch() -> AsyncIterator[LoopWatch]:
    """Lend a watch of the test's loop."""
    watch = LoopWatch()
    running = asyncio.create_task(watch.run(), name="loop watch")
    yield watch
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not any(thread.name == "loop watch" for thread in threading.enumerate())


@pytest.mark.parametrize("hold", [hold_by_sleeping, hold_by_computing], ids=["sleeps", "computes"])
async def test_watch_names_the_task_and_the_place_that_blocked(
    watch: LoopWatch, hold: Callable[[], None]
) -> None:
    """A block is noted with task and innermost line of ours, whether or not it keeps the interpreter."""

    async def deliver() -> None:
        hold()

    def named() -> bool:
        return any(block.place.endswith(f" {hold.__name__}") for block in watch.blocks)

    async def held_and_named() -> bool:
        await asyncio.create_task(deliver(), name="delivery 17")
        await asyncio.sleep(0.01)
        return named()

    await eventually(held_and_named, "the block is named", timeout_seconds=60)

    block = next(block for block in watch.blocks if block.place.endswith(f" {hold.__name__}"))
    assert block.task == "delivery 17"
    assert block.place.startswith("integration/test_loop_watch.py:")
    assert block.seconds >= 0.05
    assert any("deliver" in line for line in block.stack)


async def test_watch_keeps_the_last_blocks_alone() -> None:
    """However much is blocked, a hundred blocks are kept and each place is logged once a minute."""
    watch = LoopWatch()
    for _ in range(150):
        watch._note([Look("a", ())], 0.1)

    assert len(watch.blocks) == 100
    assert watch._may_say("elsewhere")
    assert not watch._may_say("elsewhere")


@pytest.mark.parametrize(
    "new_loop", [asyncio.SelectorEventLoop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_idle_loop_is_seen_to_wait(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Both kinds of loop are known when they wait, so that the watch wakes no idle one."""

    async def look() -> bool:
        ident = threading.get_ident()
        return await asyncio.to_thread(waits, ident)

    def waits(ident: int) -> bool:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if is_waiting(stack_of_thread(ident)):
                return True
            time.sleep(0.001)
        return False

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(look())


def test_loop_at_work_is_not_seen_to_wait() -> None:
    """A thread in our code does not wait, and one that is gone does."""
    assert not is_waiting(stack_of_thread(threading.get_ident()))
    assert is_waiting(())


def test_block_is_told_by_what_most_looks_saw() -> None:
    """Of several looks, the task that most of them saw is the one that blocked."""
    block = block_of([Look("a", ()), Look("b", ()), Look("b", ())], at_ms=5, seconds=1.5)

    assert (block.task, block.seconds, block.at_ms) == ("b", 1.5, 5)
    assert block_of([], at_ms=5, seconds=1.5).task == ""


async def test_task_at_work_is_named_by_its_coroutine_when_nobody_named_it(watch: LoopWatch) -> None:
    """A task with a made-up name is known by its coroutine."""
    seen: list[str] = []

    async def without_a_name() -> None:
        seen.append(watch.task_at_work())

    await eventually(lambda: watch.loop_thread, "the watch has begun")
    await asyncio.create_task(without_a_name())

    assert seen[0].endswith("without_a_name")
