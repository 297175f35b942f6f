"""A sampling profiler inside the process: a thread that looks at the others' stacks, and at their CPU clocks.

For where py-spy is not installed or may not look. What it costs stands in docs/performance/profiling.md.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FrameType

from wireroom.perf.profile_samples import Sampled, Spot
from wireroom.perf.stacks import DEEPEST

DEFAULT_HZ = 100.0
_LEAST_SECONDS = 0.000_02
"""Of CPU time between two looks: a thread with less was not at work."""
_PER_THREAD_CPU = 6
"""CPUCLOCK_SCHED | CPUCLOCK_PERTHREAD. Source: Linux, include/linux/posix-timers_types.h."""
_WAITS = (
    ("/threading.py", "wait"),
    ("/queue.py", "get"),
    ("/selectors.py", "select"),
    ("/asyncio/runners.py", "run"),
)
"""Where waiting threads are, for systems without CPU clocks of threads."""

_Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What was seen."""

    samples: tuple[Sampled, ...]
    looks: int
    seconds: float
    """How long it went on."""
    own_seconds: float
    """CPU time that looking took."""


class Sampler:
    """Looks at threads from `start` to `stop`.

    CPU profile: every thread, weighed by its CPU clock. With `only_thread`: that one alone, weighed by wall
    time and rooted in what `root` says, for the event loop, which is one thread with many tasks.
    """

    def __init__(
        self,
        *,
        hz: float = DEFAULT_HZ,
        only_thread: int | None = None,
        root: Callable[[], str] | None = None,
        leave_out: Callable[[FrameType], bool] = lambda _: False,
    ) -> None:
        """Prepare.

        Args:
            hz: Looks a second, at most.
            only_thread: Its ident.
            root: Names what `only_thread` is doing now.
            leave_out: Whether a look at `only_thread` with this innermost frame does not count.
        """
        self._pause = 1 / hz
        self._only_thread = only_thread
        self._root = root
        self._leave_out = leave_out
        self._ended = threading.Event()
        self._weights: dict[_Key, float] = {}
        self._codes: dict[int, CodeType] = {}
        self._names: dict[int, tuple[str, int]] = {}
        self._clocks: dict[int, float] = {}
        self._looks = 0
        self._own_seconds = 0.0
        self._started = 0.0
        self._thread = threading.Thread(target=self._run, name="profiler", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> Samples:
        """Look no more, and return what was seen."""
        self._ended.set()
        self._thread.join(timeout=5.0)
        samples = [
            Sampled((Spot(root), *(self._spot(code) for code in reversed(codes))), weight)
            for (root, codes), weight in self._weights.items()
        ]
        return Samples(tuple(samples), self._looks, time.monotonic() - self._started, self._own_seconds)

    def _spot(self, code_id: int) -> Spot:
        code = self._codes[code_id]
        return Spot(code.co_qualname, code.co_filename, code.co_firstlineno)

    def _run(self) -> None:
        before = time.monotonic()
        while not self._ended.wait(self._pause):
            now = time.monotonic()
            if self._only_thread is None:
                self._look_at_all(now - before)
            else:
                self._look_at_one(now - before)
            before = now
            self._looks += 1
        self._own_seconds = time.thread_time()

    def _look_at_one(self, seconds: float) -> None:
        frame = sys._current_frames().get(self._only_thread or 0)  # noqa: SLF001 - documented
        if frame is not None and not self._leave_out(frame):
            self._add("" if self._root is None else self._root(), frame, seconds)

    def _look_at_all(self, seconds: float) -> None:
        own = threading.get_ident()
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 - documented
            if ident == own:
                continue
            if ident not in self._names:
                self._names = {
                    one.ident or 0: (one.name, one.native_id or 0) for one in threading.enumerate()
                }
            if ident not in self._names:
                # A library's own thread, not started by `threading`: nobody can tell whether it only waits.
                continue
            name, native_id = self._names[ident]
            worked = self._worked(ident, native_id, frame, seconds)
            if worked >= _LEAST_SECONDS:
                self._add(name, frame, worked)

    def _worked(self, ident: int, native_id: int, frame: FrameType, seconds: float) -> float:
        """Return the CPU time of a thread since the last look; without a clock, guess from where it is."""
        clock = cpu_clock(native_id)
        if clock is None:
            return 0.0 if _is_wait(frame.f_code) else seconds
        before = self._clocks.get(ident, clock)
        self._clocks[ident] = clock
        return clock - before

    def _add(self, root: str, frame: FrameType | None, weight: float) -> None:
        codes: list[int] = []
        while frame is not None and len(codes) < DEEPEST:
            code = frame.f_code
            codes.append(id(code))
            # Kept, so that no other code can come to the same address.
            self._codes[id(code)] = code
            frame = frame.f_back
        key = (root, tuple(codes))
        self._weights[key] = self._weights.get(key, 0.0) + weight


def cpu_clock(native_id: int) -> float | None:
    """Return the CPU time of a thread of this process, seconds; None where that cannot be asked."""
    if not native_id:
        return None
    try:
        return time.clock_gettime((~native_id << 3) | _PER_THREAD_CPU)
    except OSError:
        return None


def _is_wait(code: CodeType) -> bool:
    return any(code.co_filename.endswith(file) and code.co_name == name for file, name in _WAITS)
