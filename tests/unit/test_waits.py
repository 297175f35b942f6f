"""Waiting for something, or for a time to pass."""

from __future__ import annotations

import asyncio

import pytest

from wireroom.clock import came_within


async def test_wait_tells_what_came_from_what_did_not() -> None:
    """True for what is there or comes, False once the time has passed."""
    event = asyncio.Event()
    assert not await came_within(0.01, event.wait())
    asyncio.get_running_loop().call_later(0.01, event.set)
    assert await came_within(10, event.wait())
    assert await came_within(10, event.wait())


async def test_cancellation_that_meets_the_event_is_not_lost() -> None:
    """Else a loop that waits in turns would go on for ever, and a stop of the service with it."""
    event, turns = asyncio.Event(), 0

    async def loop() -> None:
        nonlocal turns
        while True:
            turns += 1
            await came_within(10, event.wait())
            event.clear()

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    event.set()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert turns == 1
