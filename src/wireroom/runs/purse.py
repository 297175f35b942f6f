"""What a single call of an agent may take, where no loop counts: minutes and money. Pure.

A loop has rounds between which `runs.loop` looks at its budget. A run without one is a single call, which is
cut off: in time by its hard limit, in money by agents that heed a budget or tell their cost on the way.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from wireroom.backends.protocol import AgentEvent, AgentResult, EventKind
from wireroom.runs.budget import Budget
from wireroom.runs.limits import Ending, Limits
from wireroom.runs.options import RunOptions
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import Verdict


def call_budget(mode: RunMode, options: RunOptions) -> Budget:
    """Return what one call of the run may take; of a loop, each may take what it needs. 0 is no budget."""
    if mode is RunMode.ITERATE:
        return Budget()
    return Budget(options.budget_minutes or None, options.budget_usd or None)


def limits_within(budget: Budget, limits: Limits) -> Limits:
    """Return the limits with the hard one no longer than the budget's minutes."""
    if budget.minutes is None:
        return limits
    return replace(limits, hard=min(limits.hard, timedelta(minutes=budget.minutes)))


class Purse:
    """Watches what a call costs while its agent tells."""

    def __init__(self, usd: float | None) -> None:
        """Begin full; None never gets empty."""
        self._usd = usd
        self.is_empty = False

    def take(self, event: AgentEvent) -> bool:
        """Note the event; True when it is the one by which the purse is empty."""
        cost = event.payload.get("cost_usd") if event.kind is EventKind.USAGE else None
        if self._usd is None or self.is_empty or cost is None or cost < self._usd:
            return False
        self.is_empty = True
        return True

    def settle(self, verdict: Verdict, ending: Ending, result: AgentResult) -> Verdict:
        """Return how the call ended: exhausted when the money was, else as it is."""
        stopped_by_us = self.is_empty and ending is Ending.CANCELLED
        if not (stopped_by_us or result.budget_spent) or self._usd is None:
            return verdict
        reason = f"Not finished, its budget of ${self._usd:g} is used up."
        return replace(verdict, state=RunState.EXHAUSTED, reason=reason, error_code="budget")
