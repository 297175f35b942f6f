"""Budgets that several replicas share, in PostgreSQL and in Redis: together they allow what one would."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis_fixtures import running_pool
from sqlalchemy import text
from starlette.responses import PlainTextResponse

from asgi_calls import call
from wireroom.api.access_login import LoginTries
from wireroom.api.budgets import Budget
from wireroom.api.rate_limits import RateLimits
from wireroom.api.shared_budgets import (
    Budgets,
    Charge,
    FirstBudgets,
    MemoryBudgets,
    PostgresBudgets,
    RedisBudgets,
)
from wireroom.errors import RedisUnavailable, StoreUnavailable
from wireroom.redis.address import read_address
from wireroom.redis.keys import BUDGET
from wireroom.redis.pool import RedisPool
from wireroom.store.budget_rows import forget_whole_budgets
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.postgres_server import PostgresServer
from wireroom.testing.redis_server import running_redis

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]
SECRET = "secret-of-the-test"
REPLICAS = 3
SLOW = Budget(20, 6000)
"""Twenty at once, and then one in five minutes: however slow the test, none comes free meanwhile."""


@pytest.fixture(params=["postgres", "redis"])
async def replicas(
    request: pytest.FixtureRequest, postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[Sequence[Budgets]]:
    """Lend the budgets of three replicas."""
    async with AsyncExitStack() as stack:
        if request.param == "redis":
            server = stack.enter_context(running_redis(tmp_path))
            pools = [await stack.enter_async_context(running_pool(server.url)) for _ in range(REPLICAS)]
            yield [RedisBudgets(pool, SECRET) for pool in pools]
            return
        url = stack.enter_context(postgres.database())
        databases = [PostgresDatabase(url) for _ in range(REPLICAS)]
        for db in databases:
            stack.push_async_callback(db.close)
        yield [PostgresBudgets(db, SECRET) for db in databases]


def _charge(caller: str = "ada", budget: Budget = SLOW) -> Charge:
    return Charge("test", budget, caller)


async def test_replicas_together_allow_exactly_the_budget(replicas: Sequence[Budgets]) -> None:
    """Of ninety requests that come at once to three replicas, twenty pass; another caller has its own."""
    asked = [replica.charge([_charge()]) for replica in replicas for _ in range(30)]
    verdicts = [verdict for [verdict] in await asyncio.gather(*asked)]
    passed = [verdict for verdict in verdicts if verdict.may_pass]
    assert sorted(verdict.remaining for verdict in passed) == list(range(20))
    refused = [verdict for verdict in verdicts if not verdict.may_pass]
    assert all(200 < verdict.retry_seconds <= 300 for verdict in refused)
    [[other]] = await asyncio.gather(replicas[0].charge([_charge("bob")]))
    assert (other.may_pass, other.limit, other.remaining) == (True, 20, 19)


async def test_budget_may_be_spent_to_its_last_request(replicas: Sequence[Budgets]) -> None:
    """No rounding takes the last one away, whatever the shares are."""
    odd = Budget(7, 6000)
    verdicts = [(await replicas[n % REPLICAS].charge([_charge(budget=odd)]))[0] for n in range(8)]
    assert [verdict.may_pass for verdict in verdicts] == [True] * 7 + [False]


async def test_request_that_is_given_back_may_be_made_again(replicas: Sequence[Budgets]) -> None:
    """What one replica gives back another may spend; giving back what nobody spent gives nothing."""
    only = [_charge(budget=Budget(1, 6000))]
    await replicas[0].give_back(only)
    assert [(await replica.charge(only))[0].may_pass for replica in replicas] == [True, False, False]
    await replicas[1].give_back(only)
    assert [(await replica.charge(only))[0].may_pass for replica in replicas] == [True, False, False]


async def test_replicas_together_allow_the_tries_of_a_password_that_one_would(
    replicas: Sequence[Budgets],
) -> None:
    """Thirty guesses of one name, at once, at three replicas: five are looked at."""
    tries = [LoginTries(replica) for replica in replicas]
    asked = [one.begin("ada", f"192.0.2.{number}") for number in range(10) for one in tries]
    waits = await asyncio.gather(*asked)
    assert waits.count(0.0) == 5
    assert await tries[0].begin("bob", "192.0.2.1") == 0.0


async def test_replicas_together_answer_as_many_calls_as_one_would(replicas: Sequence[Budgets]) -> None:
    """Through the door itself: calls beyond the budget are 429 at every replica, probes never."""
    apps = [_limited(replica) for replica in replicas]
    program = {"Authorization": f"Bearer {SECRET}"}
    answers = await asyncio.gather(*(call(app, headers=program) for app in apps for _ in range(10)))
    # A request comes free each five seconds; on a slow machine that is one or two of them.
    assert 12 <= [answer.status for answer in answers].count(200) <= 14
    assert [(await call(app, "/health")).status for app in apps] == [200] * REPLICAS


def _limited(budgets: Budgets) -> RateLimits:
    return RateLimits(
        PlainTextResponse("fine"),
        api_secret=SECRET,
        per_identity=12,
        per_address=12,
        exempt=frozenset({"/health"}),
        budgets=budgets,
    )


async def test_names_that_people_typed_are_nowhere_written(postgres: PostgresServer, tmp_path: Path) -> None:
    """A password in the wrong field stays between its owner and the door."""
    with postgres.database() as url, running_redis(tmp_path) as server:
        db = PostgresDatabase(url)
        async with running_pool(server.url) as pool:
            for budgets in (PostgresBudgets(db, SECRET), RedisBudgets(pool, SECRET)):
                await budgets.charge([_charge("correct horse")])
            keys = [key async for key in pool.scan(BUDGET)]
        rows = await db.read(lambda conn: conn.execute(text("SELECT * FROM request_budgets")).all())
        await db.close()
    assert (len(keys), len(rows)) == (1, 1)
    assert "horse" not in f"{keys}{rows}"


async def test_whole_budgets_are_forgotten(postgres: PostgresServer) -> None:
    """A caller who has not asked for long has no row."""
    with postgres.database() as url:
        db = PostgresDatabase(url)
        budgets = PostgresBudgets(db, SECRET)
        await budgets.charge([_charge("ada"), _charge("bob", Budget(1000, 0.001))])
        forgotten = await db.write(forget_whole_budgets)
        await db.close()
    assert forgotten == 1


async def test_without_the_shared_memory_each_replica_counts_by_itself(postgres: PostgresServer) -> None:
    """Redis or the database gone: callers are still held off, and nobody waits for what does not answer."""
    with postgres.database() as url:
        closed = PostgresDatabase(url)
        await closed.close()
    absent = RedisPool(read_address("redis://127.0.0.1:1/0"))
    gone = (PostgresBudgets(closed, SECRET), RedisBudgets(absent, SECRET))
    only = [_charge(budget=Budget(1, 6000))]
    for budgets in gone:
        with pytest.raises((StoreUnavailable, RedisUnavailable)):
            await budgets.charge(only)
        first = FirstBudgets(budgets, MemoryBudgets(time.monotonic))
        assert [(await first.charge(only))[0].may_pass for _ in range(2)] == [True, False]
        await first.give_back(only)
        assert (await first.charge(only))[0].may_pass
    await absent.close()
