"""Waiting for something to become true, with a bound, instead of sleeping and hoping."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05


async def eventually(
    predicate: Callable[[], object] | Callable[[], Awaitable[object]],
    what: str,
    timeout_seconds: float = 20.0,
) -> None:
    """Return once the predicate's answer is truthy.

    The pauses between the looks grow from 1 ms to 50 ms. The predicate is asked at least once, and a last
    time after the time is up.

    Args:
        predicate: Sync or async; what it raises is passed on at once.
        what: Completes the sentence "did not happen: ...".
        timeout_seconds: The bound, >= 0.

    Raises:
        AssertionError: `what` did not happen within `timeout_seconds`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    pause = _FIRST_PAUSE_SECONDS
    while not await _ask(predicate):
        left = deadline - loop.time()
        if left <= 0:
            raise AssertionError(f"did not happen within {timeout_seconds:g} s: {what}")
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def _ask(predicate: Callable[[], object] | Callable[[], Awaitable[object]]) -> bool:
    answer = predicate()
    if inspect.isawaitable(answer):
        answer = await answer
    return bool(answer)
