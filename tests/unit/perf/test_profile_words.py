"""What `wireroom profile` prints of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from wireroom.cli import profile

HOT = [{"place": "accept intake/accept.py:10", "itself": 1.5, "total": 1.8}]
REPORTS: list[tuple[Callable[[Mapping[str, Any]], None], dict[str, Any], list[str]]] = [
    (
        profile._show_cpu,
        {"cpu_seconds": 3.0, "seconds": 10.0, "taken_by": "py-spy", "ours": HOT, "hottest": []},
        [
            "3.00 s of CPU time in 10.0 s (taken by py-spy)",
            "50.0%",
            "accept intake/accept.py:10",
            "Nothing (all).",
        ],
    ),
    (
        profile._show_loop,
        {
            "busy_seconds": 0.5,
            "seconds": 10.0,
            "tasks": {"": 0.2, "delivery 17": 0.3},
            "blocks": [{"seconds": 0.4, "place": "delivery/render.py:9 render", "task": "delivery 17"}],
            "ours": HOT,
            "hottest": HOT,
        },
        ["at work for 0.50 s of 10.0 s", "(callbacks)", "delivery/render.py:9 render", "400.0 ms"],
    ),
    (
        profile._show_memory,
        {
            "held_bytes": 1_048_576,
            "peak_bytes": 2_097_152,
            "seconds": 9.0,
            "ended_early": True,
            "ours": [],
            "hottest": [],
            "growth": [{"kind": "objects", "name": "builtins.dict", "before": 1, "after": 9}],
        },
        ["1.00 MiB asked for", "2.00 MiB at most", "It ended early", "builtins.dict"],
    ),
    (
        profile._show_watches,
        {
            "blocks": [],
            "growth": [{"kind": "tasks", "name": "reader …", "before": 3, "after": 90}],
        },
        ["Nobody blocked the loop.", "reader …", "90"],
    ),
    (
        profile._show_sql,
        {
            "statements": [
                {
                    "calls": 7,
                    "total_seconds": 1.0,
                    "p95_seconds": 0.2,
                    "slowest_seconds": 0.3,
                    "place": "",
                    "shape": "SELECT " + "x" * 200,
                }
            ]
        },
        ["7", "1000.0 ms", "SELECT xxx", "…"],
    ),
    (
        profile._show_endpoints,
        {
            "endpoints": [
                {
                    "route": "GET /health",
                    "calls": 3,
                    "errors": 1,
                    "p50_seconds": 0.001,
                    "p95_seconds": 0.002,
                    "p99_seconds": 0.003,
                    "slowest_seconds": 0.004,
                }
            ]
        },
        ["GET /health", "1.0 ms", "4.0 ms"],
    ),
]


@pytest.mark.parametrize(
    ("show", "report", "words"), REPORTS, ids=["cpu", "loop", "memory", "watches", "sql", "endpoints"]
)
def test_report_is_shown_in_tables(
    show: Callable[[Mapping[str, Any]], None],
    report: dict[str, Any],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every kind of report is printed with its figures in units."""
    show(report)
    printed = capsys.readouterr().out

    assert [word for word in words if word not in printed] == []
