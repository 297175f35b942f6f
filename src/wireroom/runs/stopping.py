"""What a handler that is to be stopped does about an ending that it knows already: it keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def outlast(work: Coroutine[Any, Any, T], name: str) -> T:
    """Return the work's result, even if this task is cancelled meanwhile; that is not raised.

    `heed_cancellation` tells afterwards. A second cancellation, which comes when the program ends whatever
    is kept, cancels the work too.
    """
    task = asyncio.create_task(work, name=name)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})
    finally:
        task.cancel()
    return task.result()


def heed_cancellation() -> None:
    """Raise what `outlast` or a call of an agent has swallowed, before anything new is begun."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError("stopped between two agents")
