"""Answers many questions at once: those that come while one batch is under way make up the next.

So a transaction that must be taken one after the other, such as one that holds a lock which all processes
want, is as quick for fifty questions as for one, and a process never holds more than one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batches(Generic[Q, A]):
    """Puts the questions of one event loop together."""

    def __init__(
        self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, name: str, most: int = 200
    ) -> None:
        """Prepare.

        Args:
            answer: Answers a batch, in its order; what it raises is raised to all who asked.
            name: Of the task that does it.
            most: Questions of one batch.
        """
        self._answer = answer
        self._name = name
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A:
        """Return the answer; a question whose asker is cancelled may be answered all the same."""
        answered: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answered))
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)
        return await answered

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer_all(batch)
        finally:
            self._task = None
            self._cancel_waiting()

    async def _answer_all(self, batch: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        open_ones = [(question, answered) for question, answered in batch if not answered.done()]
        if not open_ones:
            return
        try:
            answers = await self._answer([question for question, _ in open_ones])
        except asyncio.CancelledError:
            for _, answered in open_ones:
                answered.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - raised to those who asked
            for _, answered in open_ones:
                if not answered.done():
                    answered.set_exception(error)
            return
        for (_, answered), one in zip(open_ones, answers, strict=True):
            if not answered.done():
                answered.set_result(one)

    def _cancel_waiting(self) -> None:
        """Leave nobody waiting for a task that was cancelled."""
        for _, answered in self._waiting:
            answered.cancel()
        self._waiting = []
