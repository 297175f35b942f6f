"""Watches the event loop from a thread of its own, and names who blocks it.

The thread looks at the loop's stack now and then. While the loop waits for something to happen, that is all:
nothing is scheduled, and an idle service stays idle. While the loop is at work, it is asked for a sign of
life; when none comes in time, its stack is taken until it answers, and the place in our code is noted.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from wireroom.perf.evidence import LoopBlock
from wireroom.perf.metrics import (
    LOOP_BLOCKED_SECONDS,
    LOOP_BLOCKS,
    LOOP_LAG_SECONDS,
    LOOP_STARVED_SECONDS,
)
from wireroom.perf.stacks import Line, place_of, show_all, stack_of, stack_of_thread
from wireroom.perf.tasks import name_of

LOOK_SECONDS = 0.05
IDLE_LOOK_SECONDS = 0.1
"""Between two looks while the loop is at work, and while it waits."""
BLOCKED_AFTER_SECONDS = 0.05
"""A block of this and the pause together is certainly noticed, one of this alone by chance."""
_SAMPLE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_STUCK_AFTER_SECONDS = 10.0
_LAG_OVER_SECONDS = 1.0
_KEPT = 100
_SAY_AGAIN_SECONDS = 60.0
_MOST_PLACES = 256
_WAITING = (("/selectors.py", "select"), ("/asyncio/runners.py", "Runner.run"))
"""Where a loop that waits is: asyncio's own in its selector, uvloop's, which is no Python, in the runner."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """The loop's thread at one moment of a block."""

    task: str
    stack: tuple[Line, ...]


def is_waiting(stack: Sequence[Line]) -> bool:
    """Tell whether the loop's thread waits for something to happen. Pure."""
    if not stack:
        return True
    code = stack[-1][0]
    return any(code.co_filename.endswith(file) and code.co_qualname.endswith(name) for file, name in _WAITING)


def block_of(looks: Sequence[Look], *, at_ms: int, seconds: float) -> LoopBlock:
    """Return what the looks at one block say: the task and place that most of them saw. Pure."""
    seen = Counter((look.task, place_of(look.stack)) for look in looks)
    ((task, place), _), *_ = seen.most_common(1) or [(("", ""), 0)]
    best = next((look for look in looks if (look.task, place_of(look.stack)) == (task, place)), None)
    stack = () if best is None else show_all(best.stack)
    return LoopBlock(at_ms=at_ms, seconds=seconds, task=task, place=place, stack=stack)


def waited_for_processor(native_id: int) -> float:
    """Return how long a thread of ours was ready to run and did not get a processor; 0 where nobody knows.

    Source: Linux, Documentation/scheduler/sched-stats.rst, /proc/<pid>/schedstat, second field, nanoseconds.
    """
    try:
        return int(Path(f"/proc/self/task/{native_id}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class LoopWatch:
    """Watches the running loop while `run` is awaited."""

    def __init__(self, *, told: Callable[[LoopBlock], None] | None = None) -> None:
        """Prepare; `told` is given each block, on the watching thread."""
        self._told = told
        self._blocks: deque[LoopBlock] = deque(maxlen=_KEPT)
        self._ended = False
        self._end = threading.Lock()
        self._answered = threading.Event()
        self._answered_at = 0.0
        self._said_at: dict[str, float] = {}
        self._worst = 0.0
        self._show_at = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0
        self._native_id = 0
        self._waited = 0.0

    @property
    def blocks(self) -> tuple[LoopBlock, ...]:
        """The last blocks, oldest first; at most a hundred."""
        return tuple(self._blocks)

    @property
    def loop_thread(self) -> int:
        """The ident of the loop's thread; 0 before `run`."""
        return self._loop_thread

    def task_at_work(self) -> str:
        """Return the name of the task that the loop is running now; from any thread."""
        task = None if self._loop is None else asyncio.current_task(self._loop)
        return "" if task is None else name_of(task)

    async def run(self) -> None:
        """Watch the loop that runs this, until cancelled."""
        self._loop, self._loop_thread = asyncio.get_running_loop(), threading.get_ident()
        self._native_id = threading.get_native_id()
        self._waited = waited_for_processor(self._native_id)
        self._end.acquire()
        thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._ended = True
            self._end.release()
            self._answered.set()
            thread.join(timeout=1.0)
            LOOP_LAG_SECONDS.set(0.0)

    def _watch(self) -> None:
        try:
            self._look_again_and_again()
        except RuntimeError:
            # The loop was closed before we were told to end.
            self._ended = True
        except Exception:  # noqa: BLE001 - the top of a thread; it is logged
            _log.exception("loop_watch_failed")

    def _look_again_and_again(self) -> None:
        pause, before, used_before = IDLE_LOOK_SECONDS, time.monotonic(), time.process_time()
        # A lock costs a fifth of an event here, and this is all that an idle service does.
        while not self._end.acquire(timeout=pause):
            frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - documented, the only way
            overslept = time.monotonic() - before - pause
            if frame is None or is_waiting(((frame.f_code, frame.f_lineno),)):
                pause = IDLE_LOOK_SECONDS
            else:
                pause = LOOK_SECONDS
                self._look_closer(Look(self.task_at_work(), stack_of(frame)), overslept, used_before)
            del frame
            before, used_before = time.monotonic(), time.process_time()
            self._show_lag(before)

    def _look_closer(self, look: Look, overslept: float, used_before: float) -> None:
        """Find out whether the loop that is at work is blocked, or was."""
        held = overslept - self._starved()
        if min(held, time.process_time() - used_before) >= BLOCKED_AFTER_SECONDS:
            # Kept from running while the process worked: by a call that does not give up the interpreter.
            self._note([look], held)
        else:
            self._ask()

    def _starved(self) -> float:
        """Return for how long, since the last call, the loop's thread could run and got no processor.

        Nobody in our code is to blame for that.
        """
        now = waited_for_processor(self._native_id)
        seconds, self._waited = max(0.0, now - self._waited), now
        LOOP_STARVED_SECONDS.inc(seconds)
        return seconds

    def _look(self) -> Look:
        return Look(self.task_at_work(), stack_of_thread(self._loop_thread))

    def _ask(self) -> None:
        """Have the loop give a sign of life, and look at what it does instead."""
        assert self._loop is not None  # noqa: S101 - set before the thread starts
        self._answered.clear()
        asked = time.monotonic()
        self._loop.call_soon_threadsafe(self._answer)
        looks: list[Look] = []
        if not self._answered.wait(BLOCKED_AFTER_SECONDS):
            looks = self._look_until_answered(asked)
        if self._ended:
            return
        seconds = self._answered_at - asked
        self._worst = max(self._worst, seconds)
        held = seconds - self._starved()
        if held >= BLOCKED_AFTER_SECONDS:
            # Without a look when this thread was kept from running, too: it is over, and nobody saw it.
            self._note(looks, held)

    def _answer(self) -> None:
        self._answered_at = time.monotonic()
        self._answered.set()

    def _look_until_answered(self, asked: float) -> list[Look]:
        looks, pause, is_told = [self._look()], _SAMPLE_SECONDS, False
        while not self._answered.wait(pause):
            looks.append(self._look())
            pause = min(pause * 1.1, _LONGEST_PAUSE_SECONDS)
            waited = time.monotonic() - asked
            if waited > _STUCK_AFTER_SECONDS and not is_told:
                is_told = True
                block = block_of(looks, at_ms=int(time.time() * 1000), seconds=waited)
                _log.error("loop_stuck", place=block.place, task=block.task, stack=block.stack)
        return looks

    def _note(self, looks: Sequence[Look], seconds: float) -> None:
        block = block_of(looks, at_ms=int(time.time() * 1000), seconds=seconds)
        self._blocks.append(block)
        self._worst = max(self._worst, seconds)
        LOOP_BLOCKS.inc()
        LOOP_BLOCKED_SECONDS.inc(seconds)
        if self._may_say(block.place):
            _log.warning(
                "loop_blocked",
                duration_ms=round(seconds * 1000),
                place=block.place,
                task=block.task,
                innermost=block.stack[-1] if block.stack else "",
            )
        if self._told is not None:
            self._told(block)

    def _may_say(self, place: str) -> bool:
        """Tell whether the log has not heard of this place for a while."""
        now = time.monotonic()
        if now - self._said_at.get(place, -_SAY_AGAIN_SECONDS) < _SAY_AGAIN_SECONDS:
            return False
        if len(self._said_at) >= _MOST_PLACES:
            self._said_at.clear()
        self._said_at[place] = now
        return True

    def _show_lag(self, now: float) -> None:
        """Show the worst lag of the last second or so."""
        if now >= self._show_at:
            LOOP_LAG_SECONDS.set(self._worst)
            self._worst, self._show_at = 0.0, now + _LAG_OVER_SECONDS
