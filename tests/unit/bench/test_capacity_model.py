"""What many need, worked out by hand beside the model; and what a series costs, out of two readings."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from bench.capacity_model import DAY_SECONDS, GIB, Cost, Costs, Demand, Plan, Rules, plan
from bench.capacity_series import Reading, Used, spent
from bench.capacity_store import StoreReading

ACCEPT = Cost(process_ms=1, database_ms=0.5, commits=2, log_bytes=1_000, stored_bytes=500)
MESSAGE = Cost(process_ms=11, database_ms=5, commits=20, log_bytes=40_000, stored_bytes=GIB / 1_000_000)
CALL = Cost(process_ms=4, database_ms=2, commits=6, log_bytes=10_000, stored_bytes=GIB / 2_000_000)
REST = Cost(process_ms=40, database_ms=20, commits=10, log_bytes=5_000, stored_bytes=0)
COSTS = Costs(ACCEPT, MESSAGE, CALL, agent_bytes=GIB / 1_000, rest=REST)
TEN_A_SECOND = Demand(messages_a_day=10 * DAY_SECONDS, peak_factor=3, agent_seconds=30, days_kept=10)
RULES = Rules(
    run_slots=50,
    pool=10,
    worker_own=20,
    web_own=2,
    core_share=0.5,
    agent_mib=512,
    bot_per_second=30,
    least_pods=2,
)


def planned(**demand: Any) -> Plan:
    """Return the plan for ten messages a second, thirty at the peak, with what is changed."""
    return plan(COSTS, dataclasses.replace(TEN_A_SECOND, **demand), RULES)


@pytest.mark.parametrize(
    ("figure", "value"),
    [
        ("messages_per_second", 10),
        ("peak_per_second", 30),
        ("agents_at_work", 900),  # 30 a second, 30 seconds each
        ("agents_gib", 450),  # 900 of half a GiB
        ("worker_pods_by_cpu", 2),  # 30 x 10 ms = 0.3 cores of 0.5 each: 1, but never less than 2
        ("worker_pods_by_slots", 18),  # 900 in 50 slots each
        ("worker_pods", 18),
        ("web_pods", 2),
        ("database_cores", 0.51),  # 30 x 5 ms, and 18 workers at rest of 20 ms each
        ("transactions_per_second", 780),  # 30 x 20, and 18 x 10
        ("log_mb_per_second", 1.29),  # 30 x 40 kB, and 18 x 5 kB
        ("log_gib_a_day", 864_000 * 40_000 / GIB),
        ("growth_gib_a_day", 0.864),
        ("stored_gib", 8.64),
        ("connections", 564),  # 20 pods of 10, 18 workers' 20 and 2 web pods' 2
        ("direct_connections", 364),
        ("bots", 2),  # 60 calls a second at 30 for each bot
    ],
)
def test_plan_of_ten_messages_a_second(figure: str, value: float) -> None:
    """Each figure is the one that the formula gives by hand."""
    assert getattr(planned(), figure) == pytest.approx(value)


@pytest.mark.parametrize(
    ("demand", "figure", "value"),
    [
        pytest.param({"agent_seconds": 3}, "worker_pods", 2, id="shorter runs need fewer slots"),
        pytest.param(
            {"peak_factor": 300}, "web_pods", 6, id="3,000 a second are 3 s of CPU, half a core each"
        ),
        pytest.param({"peak_factor": 300}, "worker_pods_by_cpu", 60, id="and 30 s of the workers'"),
        pytest.param({"days_kept": 1}, "stored_gib", 0.864, id="what is kept for a day is a day's growth"),
        pytest.param({"sends_a_message": 1}, "bots", 1, id="fewer edits need fewer bots"),
        pytest.param({"messages_a_day": 0.0}, "bots", 0, id="no messages, no bot"),
    ],
)
def test_plan_follows_the_demand(demand: dict[str, Any], figure: str, value: float) -> None:
    """What is asked for moves what depends on it."""
    assert getattr(planned(**demand), figure) == pytest.approx(value)


def test_plan_counts_scheduled_agents_and_their_calls() -> None:
    """A thousand agents that call once a minute cost calls, log, growth while calls are kept, and room."""
    demand = Demand(0, scheduled_agents=1_000, calls_a_day=1_440, peak_factor=3, call_days_kept=30)
    found = plan(COSTS, demand, RULES)
    assert found.calls_per_second == pytest.approx(50)
    assert found.transactions_per_second == pytest.approx(300 + 2 * 10)
    assert found.database_cores == pytest.approx(0.1 + 2 * 0.02)
    assert found.growth_gib_a_day == pytest.approx(0.72)
    assert found.stored_gib == pytest.approx(0.72 * 30 + 1)


def test_plan_has_two_pods_of_each_kind_at_least() -> None:
    """One may go away, whatever little is asked for."""
    found = planned(messages_a_day=1.0)
    assert (found.web_pods, found.worker_pods) == (2, 2)


def _reading(
    *, ms: float, at: float = 0, commits: float = 0, group_commits: float = 0, **sizes: tuple[int, int]
) -> Reading:
    store = StoreReading(cpu_ms=ms / 2, log_bytes=ms * 100, commits=commits)
    return Reading(at, ms, store, statements=ms * 3, group_commits=group_commits, sizes=sizes)


def test_series_costs_the_difference_of_its_readings() -> None:
    """Everything is for one piece; tables that did not grow are left out, and indexes counted apart."""
    before = _reading(ms=100, commits=10, runs=(8_192, 4_096), people=(4_096, 0))
    after = _reading(ms=300, commits=50, runs=(16_384, 8_192), people=(4_096, 0))
    found = spent("a message", 10, before, after)
    assert (found.process_ms, found.database_ms, found.statements) == (20, 10, 60)
    assert (found.commits, found.log_bytes) == (4, 2_000)
    assert (found.table_bytes, found.index_bytes) == pytest.approx((819.2, 409.6))
    assert list(found.tables) == ["runs"]


def test_series_counts_group_commits_where_the_database_counts_none() -> None:
    """SQLite counts no transactions; the service's own group commits stand for them."""
    found = spent("a message", 10, _reading(ms=0), _reading(ms=10, group_commits=30))
    assert found.commits == 3


def test_series_is_told_without_the_time_it_took() -> None:
    """What the service uses in rest is none of the pieces' cost, however long the series was."""
    rest = Used(process_ms=10, database_ms=5, statements=30, commits=2, log_bytes=1_000)
    found = spent("a message", 10, _reading(ms=0), _reading(ms=300, at=20, commits=50), rest)
    assert (found.process_ms, found.database_ms, found.statements) == (10, 5, 30)
    assert (found.commits, found.log_bytes) == (1, 1_000)
