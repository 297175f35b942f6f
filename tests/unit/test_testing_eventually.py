"""Waiting with a bound."""

from __future__ import annotations

import asyncio

import pytest

from wireroom.testing.eventually import eventually


async def test_eventually_returns_once_a_plain_predicate_holds() -> None:
    """It looks again until the answer is truthy."""
    answers = iter([0, None, "yes"])
    await eventually(lambda: next(answers), "a truthy answer")
    assert next(answers, "used up") == "used up"


async def test_eventually_awaits_an_async_predicate() -> None:
    """A coroutine's answer counts, not the coroutine."""
    looks = 0

    async def third_look() -> bool:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return looks == 3

    await eventually(third_look, "the third look")
    assert looks == 3


async def test_eventually_names_what_did_not_happen() -> None:
    """Out of time, the assertion says what was awaited and how long."""
    with pytest.raises(AssertionError, match=r"within 0\.02 s: the kettle boils"):
        await eventually(lambda: False, "the kettle boils", timeout_seconds=0.02)


async def test_eventually_asks_at_least_once() -> None:
    """No time at all still allows one look."""
    await eventually(lambda: True, "what holds already", timeout_seconds=0)
