"""Pools: what is lent, who waits, and who does not give back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from wireroom.perf.metrics import REGISTRY
from wireroom.perf.pools import PoolWatch, pool_figures, report_held


@pytest.fixture
def pool() -> Iterator[PoolWatch]:
    """Lend the figures of a pool of one connection and one more under load."""
    watch = PoolWatch("of a test", size=1, overflow=1)
    yield watch
    watch.close()


def _shown(state: str) -> float | None:
    return REGISTRY.get_sample_value("wireroom_pool_connections", {"pool": "of a test", "state": state})


def test_lent_connections_are_counted_by_state(pool: PoolWatch) -> None:
    """In use, in overflow and waited for: `/metrics` shows what is true when it is read."""
    first, second, third = pool.ask(), pool.ask(), pool.ask()
    pool.take(first)
    pool.take(second)

    assert (_shown("in use"), _shown("overflow"), _shown("waiting"), _shown("size")) == (2, 1, 1, 1)
    for loan in (first, second, third):
        pool.give_back(loan)
    assert (_shown("in use"), _shown("overflow"), _shown("waiting")) == (0, 0, 0)


def test_caller_who_found_none_free_has_waited(pool: PoolWatch) -> None:
    """The figures tell how many were lent, and how many callers had to wait, and how long."""
    loans = [pool.ask() for _ in range(3)]
    for loan in loans:
        pool.take(loan)
        pool.give_back(loan)

    figures = pool.figures()
    assert (figures.pool, figures.size, figures.in_use) == ("of a test", 2, 0)
    assert (figures.acquired, figures.waited, figures.leaked) == (3, 1, 0)
    assert 0 < figures.waited_seconds < figures.total_seconds
    assert figures in pool_figures()


def test_caller_who_gives_up_leaves_nothing(pool: PoolWatch) -> None:
    """Who stops waiting counts neither as waiting nor as having."""
    pool.give_up(pool.ask())

    assert (_shown("waiting"), pool.figures().in_use) == (0, 0)


def test_giving_up_what_another_thread_has_taken_meanwhile_changes_nothing(pool: PoolWatch) -> None:
    """The thread that has it gives it back, once."""
    loan = pool.ask()
    pool.take(loan)
    pool.give_up(loan)
    assert pool.figures().in_use == 1

    pool.give_back(loan)
    assert pool.figures().in_use == 0


def test_connection_that_is_not_given_back_is_reported_once_with_who_took_it(pool: PoolWatch) -> None:
    """The report has the stack of the caller, innermost line first."""
    loan = pool.ask()
    assert report_held(0.0) == []
    pool.take(loan)

    [held] = report_held(0.0)
    assert held.pool == "of a test"
    assert held.stack[0].startswith("perf/test_pools.py:")
    assert "test_connection_that_is_not_given_back" in held.stack[0]
    assert report_held(0.0) == []
    assert pool.figures().leaked == 1


def test_closed_pool_is_shown_no_longer() -> None:
    """Neither among the figures nor on `/metrics`."""
    watch = PoolWatch("of a test", size=1)
    watch.close()

    assert _shown("size") is None
    assert "of a test" not in {one.pool for one in pool_figures()}
