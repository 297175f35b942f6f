"""The statements of the budgets that all processes share, on PostgreSQL; the rule is `api.budgets` alone.

The table is unlogged and its commits wait for no log: a crash of the server gives everybody's budget back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

# Locks the rows, in one order for all, and tells what they say: an update that changes nothing. A new row
# says 0, long ago.
LOCK = text("""
WITH rules AS MATERIALIZED (
    SELECT set_config('lock_timeout', '2000', true) AS lock_timeout,
        set_config('idle_in_transaction_session_timeout', '2000', true),
        set_config('synchronous_commit', 'off', true))
INSERT INTO request_budgets AS kept (budget, caller, empty_us)
SELECT one.budget, one.caller, 0
FROM rules, unnest(CAST(:budgets AS text[]), CAST(:callers AS text[])) AS one(budget, caller)
WHERE rules.lock_timeout IS NOT NULL
ORDER BY one.budget, one.caller
ON CONFLICT (budget, caller) DO UPDATE SET empty_us = kept.empty_us
RETURNING budget, caller, empty_us, CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)
""")

WRITE = text("""
UPDATE request_budgets AS kept SET empty_us = one.empty_us
FROM unnest(CAST(:budgets AS text[]), CAST(:callers AS text[]), CAST(:empty_us AS bigint[]))
    AS one(budget, caller, empty_us)
WHERE kept.budget = one.budget AND kept.caller = one.caller
""")

# It waits for no row, so it is never part of a deadlock.
FORGET = text("""
WITH whole AS (
    SELECT budget, caller FROM request_budgets WHERE empty_us < extract(epoch FROM now()) * 1000000
    FOR UPDATE SKIP LOCKED)
DELETE FROM request_budgets AS kept USING whole
WHERE kept.budget = whole.budget AND kept.caller = whole.caller
""")


class BudgetKey(NamedTuple):
    """Whose bucket of which budget."""

    budget: str
    caller: str


def lock_budgets(conn: Connection, keys: Sequence[BudgetKey]) -> tuple[dict[BudgetKey, int], int]:
    """Return when these buckets are empty and what time it is, locked until the transaction's end.

    Args:
        conn: A transaction of its own.
        keys: Different ones, at least one.

    Returns:
        Microseconds since the epoch, by the database's clock; 0 for a bucket that nobody has used.
    """
    wanted = {"budgets": [key.budget for key in keys], "callers": [key.caller for key in keys]}
    found = conn.execute(LOCK, wanted).all()
    return {BudgetKey(row[0], row[1]): row[2] for row in found}, max(row[3] for row in found)


def write_budgets(conn: Connection, empty_us: Mapping[BudgetKey, int]) -> None:
    """Write the buckets back, in the transaction that has locked them."""
    conn.execute(
        WRITE,
        {
            "budgets": [key.budget for key in empty_us],
            "callers": [key.caller for key in empty_us],
            "empty_us": list(empty_us.values()),
        },
    )


def forget_whole_budgets(conn: Connection) -> int:
    """Remove the buckets that are empty again; return how many there were."""
    return conn.execute(FORGET).rowcount
