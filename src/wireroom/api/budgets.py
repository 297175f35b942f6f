"""How many requests a caller may make in a time: the rule, and the memory of who has made how many. Pure.

Who remembers it for many processes is in `api.shared_budgets`. The rule is the generic cell rate algorithm:
a budget is a bucket that runs empty evenly, and each request is `window / requests` of it. One number a
caller says all: when its bucket will be empty.
Source: ATM Forum, Traffic Management 4.0, section 4.4.2 (GCRA, virtual scheduling).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MOST_CALLERS = 10_000
_ROUNDING = 1e-3
"""The share of a request that floating point may lack, however long the clock has run."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many requests in so many seconds, all at once if they like."""

    requests: int
    window_seconds: float = 60.0

    @property
    def share_seconds(self) -> float:
        """How long the bucket takes to lose one request."""
        return self.window_seconds / self.requests


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is within its caller's budget."""

    may_pass: bool
    limit: int
    remaining: int
    """Requests that would pass if they came now."""
    reset_seconds: float
    """Until the whole budget is there again."""
    retry_seconds: float
    """Until the next request passes; 0 for one that may."""


def judge(budget: Budget, empty_at: float, now: float) -> tuple[Verdict, float]:
    """Decide on one request.

    begin = max(empty_at, now);  next = begin + share;  it may pass if begin - now <= window - share

    Written with differences, since next - window <= now is lost to rounding where a budget is one request.

    Args:
        budget: What the caller may do.
        empty_at: When its bucket is empty, by the clock of `now`; anything past for a new caller.
        now: Seconds of any steady clock.

    Returns:
        The verdict, and the caller's next `empty_at`: unchanged when the request is refused.
    """
    begin = max(empty_at, now)
    then = begin + budget.share_seconds
    may_pass = begin - now <= budget.window_seconds - budget.share_seconds * (1 - _ROUNDING)
    level = then if may_pass else begin
    return verdict_at(budget, level - now, may_pass=may_pass), level


def verdict_at(budget: Budget, level_seconds: float, *, may_pass: bool) -> Verdict:
    """Return the verdict on a request that was, or was not, counted, as its caller is told it.

    Args:
        budget: What the caller may do.
        level_seconds: Until its bucket is empty, after the request.
        may_pass: Whether the request was counted.
    """
    share, window = budget.share_seconds, budget.window_seconds
    remaining = max(0, int((window - level_seconds) / share + _ROUNDING))
    retry_seconds = 0.0 if may_pass else level_seconds + share - window
    return Verdict(may_pass, budget.requests, remaining, level_seconds, retry_seconds)


class Ledger:
    """Who has how much left of one budget; forgets the least recent of very many."""

    def __init__(self, budget: Budget, *, most_callers: int = _MOST_CALLERS) -> None:
        """Begin with everybody's budget whole."""
        self.budget = budget
        self._most_callers = most_callers
        self._empty_at: OrderedDict[str, float] = OrderedDict()

    def charge(self, caller: str, now: float) -> Verdict:
        """Judge one request of the caller, and count it if it may pass."""
        verdict, self._empty_at[caller] = judge(self.budget, self._empty_at.get(caller, 0.0), now)
        self._empty_at.move_to_end(caller)
        if len(self._empty_at) > self._most_callers:
            self._empty_at.popitem(last=False)
        return verdict

    def give_back(self, caller: str) -> None:
        """Forget the caller's last request, as if it had not been made."""
        if caller in self._empty_at:
            self._empty_at[caller] -= self.budget.share_seconds
