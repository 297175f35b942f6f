"""What only one process of the installation may do at a time, and who says which process that is.

Every process that works is a candidate; one that serves people alone is none, since it is replaced and
scaled for reasons of its own. All of it stays right if two do it for a moment, as when a leader that was
stopped goes on: what it writes is held by keys, and what it asks of others may be asked twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from wireroom.perf.metrics import LEADS

if TYPE_CHECKING:
    from wireroom.app.agents import AgentWork
    from wireroom.app.fleet import Fleet
    from wireroom.tasks.watch import BoardWatch

Part = Callable[[], Coroutine[Any, Any, None]]
"""Begins a part; one that ends has done what there was to do in this term."""


class Leadership(Protocol):
    """Says when this process leads."""

    async def run(self, term: Part) -> None:
        """Begin the term whenever this process comes to lead, and cancel it when it no longer does.

        Until cancelled; what the term raises is passed on.
        """
        ...


class SoleProcess:
    """The leadership of a process that has its database to itself."""

    async def run(self, term: Part) -> None:
        """Lead; see `Leadership.run`."""
        LEADS.set(1)
        await term()


def led_parts(
    board: BoardWatch, agents: AgentWork, fleet: Fleet, chores: Mapping[str, Part]
) -> Mapping[str, Part]:
    """Return what is led, by name.

    Args:
        board: Asks for the operator's turns.
        agents: With the watch of their times.
        fleet: What Telegram is told and asked, for each bot.
        chores: What is done now and then to the rows.
    """
    parts = {"task board": board.run, "bots": fleet.lead, **agents.chores, **chores}
    bot = fleet.first
    if bot is not None:
        parts["bot setup"] = bot.setup.introduce
        if bot.poller is not None:
            parts["polling"] = bot.poller.run
    return parts


def term_of(parts: Mapping[str, Part]) -> Part:
    """Return the parts as one; the first that fails ends all, and its error is raised."""
    return partial(_run_all, parts)


async def _run_all(parts: Mapping[str, Part]) -> None:
    async with asyncio.TaskGroup() as group:
        for name, begin in parts.items():
            group.create_task(begin(), name=name)
