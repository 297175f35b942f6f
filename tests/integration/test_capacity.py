"""What the capacity tool counts from outside is what really happened; its check compares like with like."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from bench.capacity import compared
from bench.capacity_model import Rules
from bench.capacity_series import ANSWERED, READ, REFUSED, Spent
from bench.capacity_store import PostgresView, SqliteView

from wireroom.app.engine import queue_names
from wireroom.settings import Settings
from wireroom.testing.postgres_server import PostgresServer

_FILL = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
    INSERT INTO audit (created_at, who, action, subject) SELECT i, 'somebody', 'something', 'x' FROM n
"""


def _cost(what: str, process_ms: float, statements: float) -> Spent:
    return Spent(what, 1, process_ms, 0, statements, 0, 0, 0, 0, {})


def test_sqlite_tables_and_indexes_are_weighed(database_path: Path) -> None:
    """Two thousand rows show in their table and its indexes, and nowhere else."""
    view = SqliteView(database_path)
    before = view.sizes()
    view.rows(_FILL)
    grew = {name: size for name, size in view.sizes().items() if size != before[name]}
    assert list(grew) == ["audit"]
    assert grew["audit"][0] > before["audit"][0] + 2000 * 20
    assert grew["audit"][1] > before["audit"][1] + 2000 * 20


@pytest.mark.postgres
def test_postgres_work_is_weighed(postgres: PostgresServer) -> None:
    """Rows, indexes and the log grow by what was written; the server's CPU never runs backwards."""
    with postgres.database() as url:
        view = PostgresView(url)
        before, sizes = view.read(), view.sizes()
        view.rows(_FILL)
        after, grown = view.read(), view.sizes()
        deadline = time.monotonic() + 10
        # The server notices a little later that the last one has ended.
        while view.connections() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert view.connections() == 0
    assert after.log_bytes > before.log_bytes + 2000 * 40
    assert after.cpu_ms >= before.cpu_ms > 0
    assert grown["audit"][0] > sizes["audit"][0]
    assert grown["audit"][1] > sizes["audit"][1]


def test_check_predicts_messages_runs_and_requests() -> None:
    """Ten messages, five other runs and twenty lists, each at its cost, beside what the report says."""
    series = {
        ANSWERED: _cost(ANSWERED, 20, 60),
        REFUSED: _cost(REFUSED, 5, 10),
        READ: _cost(READ, 1, 1),
    }
    report = {
        "requests": [
            {"name": "POST /telegram/webhook", "count": 8},
            {"name": "POST /telegram/webhook (voice)", "count": 2},
            {"name": "GET /api/runs", "count": 20},
        ],
        "growth": {
            'wireroom_runs_total{backend="scripted",state="succeeded"}': 15.0,
            'wireroom_http_seconds_count{route="GET /api/runs"}': 20.0,
            'wireroom_http_seconds_count{route="POST /telegram/webhook"}': 10.0,
            "wireroom_store_statements_sent_total": 870.0,
        },
        "readings": [
            {"second": 0.0, "cpu_percent": None},
            {"second": 1.0, "cpu_percent": 10.0},
            {"second": 3.0, "cpu_percent": 10.0},
        ],
    }
    found = compared(series, report)
    assert found["load"] == "10 messages, 5 other runs, 20 other requests"
    assert found["CPU of the service, s"] == "predicted 0.295, measured 0.3: -2%"
    assert found["statements"] == "predicted 870, measured 870: +0%"


def test_model_counts_the_connections_that_a_process_opens() -> None:
    """A worker's own are the job engine's pool and what listens for it, leadership and news."""
    assert Rules().worker_own == len(queue_names(Settings())) + 2 + 1 + 2
