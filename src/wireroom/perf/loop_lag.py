"""Watches the event loop from a thread of its own, and names who blocks it.

The thread looks at the loop's stack now and then. While the loop waits for something to happen, that is all:
nothing is scheduled, and an idle service stays idle. While the loop is at work, it is asked for a sign of
life; when none comes in time, its stack is taken until it answers, and the place in our code is noted.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from wireroom.perf.evidence import LoopBlock
from wireroom.perf.metrics import LOOP_BLOCKED_SECONDS, LOOP_BLOCKS, LOOP_LAG_SECONDS
from wireroom.perf.stacks import Line, place_of, show_all, stack_of_thread
from wireroom.perf.tasks import name_of

LOOK_SECONDS = 0.05
BLOCKED_AFTER_SECONDS = 0.05
"""A block of both together is certainly noticed, one of the second alone by chance."""
_SAMPLE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5
_STUCK_AFTER_SECONDS = 10.0
_LAG_OVER_LOOKS = 20
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


class LoopWatch:
    """Watches the running loop while `run` is awaited."""

    def __init__(self, *, told: Callable[[LoopBlock], None] | None = None) -> None:
        """Prepare; `told` is given each block, on the watching thread."""
        self._told = told
        self._blocks: deque[LoopBlock] = deque(maxlen=_KEPT)
        self._ended = threading.Event()
        self._answered = threading.Event()
        self._answered_at = 0.0
        self._said_at: dict[str, float] = {}
        self._worst = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread = 0

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
        thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._ended.set()
            self._answered.set()
            thread.join(timeout=1.0)
            LOOP_LAG_SECONDS.set(0.0)

    def _watch(self) -> None:
        try:
            self._look_again_and_again()
        except RuntimeError:
            # The loop was closed before we were told to end.
            self._ended.set()
        except Exception:  # noqa: BLE001 - the top of a thread; it is logged
            _log.exception("loop_watch_failed")

    def _look_again_and_again(self) -> None:
        looks, before, used_before = 0, time.monotonic(), time.process_time()
        while not self._ended.wait(LOOK_SECONDS):
            now, used = time.monotonic(), time.process_time()
            overslept = now - before - LOOK_SECONDS
            look = self._look()
            if is_waiting(look.stack):
                pass
            elif min(overslept, used - used_before) >= BLOCKED_AFTER_SECONDS:
                # Kept from running while the process worked: by a call that does not give up the interpreter.
                self._note([look], overslept)
            else:
                self._ask()
            looks = self._show_lag(looks + 1)
            before, used_before = time.monotonic(), time.process_time()

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
        if self._ended.is_set():
            return
        seconds = self._answered_at - asked
        if looks or seconds >= BLOCKED_AFTER_SECONDS:
            # Without a look when this thread was kept from running, too: it is over, and nobody saw it.
            self._note(looks, seconds)
        else:
            self._worst = max(self._worst, seconds)

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

    def _show_lag(self, looks: int) -> int:
        """Show the worst lag of the last second or so; return how many looks belong to the next."""
        if looks < _LAG_OVER_LOOKS:
            return looks
        LOOP_LAG_SECONDS.set(self._worst)
        self._worst = 0.0
        return 0
