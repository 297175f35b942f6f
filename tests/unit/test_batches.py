"""Questions that go together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from wireroom.store.batches import Batches


class Counter:
    """Answers with the double of each number, as soon as it may; remembers the batches."""

    def __init__(self) -> None:
        """Begin with no batches."""
        self.seen: list[list[int]] = []
        self.may_answer = asyncio.Event()

    async def answer(self, numbers: Sequence[int]) -> Sequence[int]:
        """Answer a batch; a negative number spoils it."""
        self.seen.append(list(numbers))
        await self.may_answer.wait()
        if min(numbers) < 0:
            raise ValueError("negative")
        return [2 * number for number in numbers]


async def test_questions_that_come_meanwhile_make_up_the_next_batch() -> None:
    """The first goes alone, the others together, each with its own answer."""
    counter = Counter()
    batches = Batches(counter.answer, name="test")
    first = asyncio.create_task(batches.ask(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(batches.ask(number)) for number in (2, 3, 4)]
    await asyncio.sleep(0)
    counter.may_answer.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert counter.seen == [[1], [2, 3, 4]]


async def test_batch_has_a_bound() -> None:
    """More than may go together go one batch after the other."""
    counter = Counter()
    counter.may_answer.set()
    batches = Batches(counter.answer, name="test", most=2)
    assert await asyncio.gather(*(batches.ask(number) for number in range(5))) == [0, 2, 4, 6, 8]
    assert counter.seen == [[0, 1], [2, 3], [4]]


async def test_error_is_raised_to_those_who_asked_and_to_nobody_after() -> None:
    """A batch that fails fails as a whole; the next one is a new one."""
    counter = Counter()
    counter.may_answer.set()
    batches = Batches(counter.answer, name="test")
    spoiled = await asyncio.gather(batches.ask(1), batches.ask(-1), return_exceptions=True)
    assert [type(one) for one in spoiled] == [ValueError, ValueError]
    assert await batches.ask(5) == 10


async def test_asker_who_goes_away_spoils_nothing() -> None:
    """Cancelled before its turn it is not asked for; the others have their answers."""
    counter = Counter()
    batches = Batches(counter.answer, name="test")
    tasks = [asyncio.create_task(batches.ask(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    counter.may_answer.set()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await tasks[1] == 4
    assert counter.seen == [[2]]
