"""Who remembers the budgets of callers: this process, or for all processes Redis, or PostgreSQL.

The rule is `api.budgets`. Callers are kept as keyed digests: among them are names that people have typed, and
some of those are passwords in the wrong field. What cannot be asked now is counted in this process meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from typing import Protocol

from sqlalchemy import Connection

from wireroom.api.budgets import Budget, Ledger, Verdict, judge, verdict_at
from wireroom.errors import RedisUnavailable, StoreUnavailable
from wireroom.redis.commands import Batch, charge, refund
from wireroom.redis.keys import BUDGET
from wireroom.redis.pool import RedisPool
from wireroom.store.batches import Batches
from wireroom.store.budget_rows import BudgetKey, lock_budgets, write_budgets
from wireroom.store.database import Database

_MICRO = 1_000_000
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Charge:
    """One request of one caller, on one budget."""

    name: str
    """The budget's own, such as `identity`; budgets of different rules have different names."""
    budget: Budget
    caller: str


class Budgets(Protocol):
    """Remembers who has how much left."""

    async def charge(self, charges: Sequence[Charge]) -> Sequence[Verdict]:
        """Judge each by itself, in order, and count those that may pass."""
        ...

    async def give_back(self, charges: Sequence[Charge]) -> None:
        """Forget these, as if they had not been made."""
        ...


class MemoryBudgets:
    """Remembers in this process."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Begin with every budget whole; `now` gives the seconds of a steady clock."""
        self._now = now
        self._ledgers: dict[tuple[str, Budget], Ledger] = {}

    async def charge(self, charges: Sequence[Charge]) -> Sequence[Verdict]:
        """Judge each; see `Budgets.charge`."""
        now = self._now()
        return [self._ledger(one).charge(one.caller, now) for one in charges]

    async def give_back(self, charges: Sequence[Charge]) -> None:
        """Forget these; see `Budgets.give_back`."""
        for one in charges:
            self._ledger(one).give_back(one.caller)

    def _ledger(self, one: Charge) -> Ledger:
        key = (one.name, one.budget)
        if key not in self._ledgers:
            self._ledgers[key] = Ledger(one.budget)
        return self._ledgers[key]


class RedisBudgets:
    """Remembers in Redis: one atomic script a charge, all of them in one round trip."""

    def __init__(self, pool: RedisPool, secret: str) -> None:
        """Share the pool; `secret` keys the digests of callers, the same in every process."""
        self._pool = pool
        self._digest = partial(_digest, secret)

    async def charge(self, charges: Sequence[Charge]) -> Sequence[Verdict]:
        """Judge each; see `Budgets.charge`.

        Raises:
            RedisUnavailable: Redis is down; nothing may be known of what it has counted.
        """
        commands = [charge(self._key(one), *_micros(one.budget)) for one in charges]
        replies = await self._pool.run_batch(Batch(commands))
        return [
            verdict_at(one.budget, level_us / _MICRO, may_pass=bool(passed))
            for one, (passed, level_us) in zip(charges, replies, strict=True)
        ]

    async def give_back(self, charges: Sequence[Charge]) -> None:
        """Forget these; see `Budgets.give_back`.

        Raises:
            RedisUnavailable: Redis is down.
        """
        commands = [refund(self._key(one), _micros(one.budget)[0]) for one in charges]
        await self._pool.run_batch(Batch(commands))

    def _key(self, one: Charge) -> str:
        return BUDGET.key(f"{one.name}:{self._digest(one.caller)}")


@dataclass(frozen=True, slots=True)
class _Step:
    """What a batch does with one charge."""

    one: Charge
    is_refund: bool = False


class PostgresBudgets:
    """Remembers in PostgreSQL: what comes together is judged in one transaction, under the buckets' locks."""

    def __init__(self, db: Database, secret: str) -> None:
        """Share the database; `secret` keys the digests of callers, the same in every process."""
        self._db = db
        self._digest = partial(_digest, secret)
        self._batches: Batches[Sequence[_Step], Sequence[Verdict]] = Batches(self._take, name="budgets")

    async def charge(self, charges: Sequence[Charge]) -> Sequence[Verdict]:
        """Judge each; see `Budgets.charge`.

        Raises:
            StoreUnavailable: nobody can tell now; nothing was counted.
        """
        return await self._batches.ask([_Step(one) for one in charges])

    async def give_back(self, charges: Sequence[Charge]) -> None:
        """Forget these; see `Budgets.give_back`.

        Raises:
            StoreUnavailable: they stay counted.
        """
        await self._batches.ask([_Step(one, is_refund=True) for one in charges])

    async def _take(self, asked: Sequence[Sequence[_Step]]) -> Sequence[Sequence[Verdict]]:
        return await self._db.write(lambda conn: self._judge(conn, asked))

    def _judge(self, conn: Connection, asked: Sequence[Sequence[_Step]]) -> Sequence[Sequence[Verdict]]:
        keys = list(dict.fromkeys(self._key(step.one) for steps in asked for step in steps))
        empty_us, now_us = lock_budgets(conn, keys)
        verdicts = [[self._step(empty_us, now_us, step) for step in steps] for steps in asked]
        write_budgets(conn, empty_us)
        return verdicts

    def _step(self, empty_us: dict[BudgetKey, int], now_us: int, step: _Step) -> Verdict:
        """Judge one, or give it back, in the buckets; by times from now, which floats hold exactly enough."""
        key, budget = self._key(step.one), step.one.budget
        if step.is_refund:
            empty_us[key] -= _micros(budget)[0]
            return verdict_at(budget, 0.0, may_pass=True)
        verdict, level = judge(budget, (empty_us[key] - now_us) / _MICRO, 0.0)
        # Cut, never rounded up: the last request of a budget must not fail by a microsecond.
        empty_us[key] = now_us + int(level * _MICRO)
        return verdict

    def _key(self, one: Charge) -> BudgetKey:
        return BudgetKey(one.name, self._digest(one.caller))


class FirstBudgets:
    """Asks those that all processes share; while they cannot be asked, this process counts by itself."""

    def __init__(self, shared: Budgets, alone: Budgets) -> None:
        """Prefer `shared`."""
        self._shared = shared
        self._alone = alone

    async def charge(self, charges: Sequence[Charge]) -> Sequence[Verdict]:
        """Judge each; see `Budgets.charge`."""
        try:
            return await self._shared.charge(charges)
        except (RedisUnavailable, StoreUnavailable):
            return await self._alone.charge(charges)

    async def give_back(self, charges: Sequence[Charge]) -> None:
        """Forget these; see `Budgets.give_back`."""
        try:
            await self._shared.give_back(charges)
        except (RedisUnavailable, StoreUnavailable):
            await self._alone.give_back(charges)


def _micros(budget: Budget) -> tuple[int, int]:
    """Return what one request uses up, cut to whole microseconds, and the window."""
    return int(budget.share_seconds * _MICRO), int(budget.window_seconds * _MICRO)


def _digest(secret: str, caller: str) -> str:
    key = blake2b(secret.encode(), digest_size=_DIGEST_BYTES).digest()
    return blake2b(caller.encode(), key=key, digest_size=_DIGEST_BYTES).hexdigest()
