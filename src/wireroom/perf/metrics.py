"""The figures that `/metrics` shows: names by the Prometheus conventions, see docs/reference/metrics.md.

Label children that sit on a hot path are bound once by their user.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SLOW = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

COMMIT_SECONDS = Histogram(
    "wireroom_store_commit_seconds", "One group commit, with its fsync", registry=REGISTRY, buckets=_FAST
)
COMMIT_UNITS = Histogram(
    "wireroom_store_commit_units",
    "Units of work that shared one commit",
    registry=REGISTRY,
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
UPDATES = Counter(
    "wireroom_intake_updates_total",
    "Chat updates by what became of them (durable, duplicate, rejected, unavailable)",
    ["result"],
    registry=REGISTRY,
)
INTAKE_SECONDS = Histogram(
    "wireroom_intake_accept_seconds",
    "From the request to the durable answer",
    registry=REGISTRY,
    buckets=_FAST,
)
JOBS_DONE = Counter(
    "wireroom_jobs_total",
    "Jobs by queue and result (done, again, retried, dead)",
    ["queue", "result"],
    registry=REGISTRY,
)
JOB_WAIT_SECONDS = Histogram(
    "wireroom_jobs_wait_seconds", "From due to started", ["queue"], registry=REGISTRY, buckets=_FAST
)
JOBS_NOW = Gauge(
    "wireroom_jobs_depth",
    "Jobs now, by queue and state",
    ["queue", "state"],
    registry=REGISTRY,
)
RUNS = Counter(
    "wireroom_runs_total", "Runs that ended, by back end and state", ["backend", "state"], registry=REGISTRY
)
RUNS_ACTIVE = Gauge("wireroom_runs_active", "Runs whose agent is working now", registry=REGISTRY)
RUN_SECONDS = Histogram(
    "wireroom_runs_seconds", "Start to end of a run", ["backend"], registry=REGISTRY, buckets=_SLOW
)
TELEGRAM_CALLS = Counter(
    "wireroom_delivery_calls_total",
    "Calls of the Bot API by method and result",
    ["method", "result"],
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "wireroom_delivery_total", "Deliveries that ended, by state", ["state"], registry=REGISTRY
)
DELIVERY_SECONDS = Histogram(
    "wireroom_delivery_seconds",
    "From the accepted request to the whole answer in the chat, the run between them included",
    registry=REGISTRY,
    buckets=_SLOW,
)
LOOP_LAG_SECONDS = Gauge(
    "wireroom_loop_lag_seconds", "Worst delay of the event loop in the last second", registry=REGISTRY
)
