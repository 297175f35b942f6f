"""The figures of agents on `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter

from wireroom.perf.metrics import REGISTRY

SLOTS = Counter(
    "wireroom_agent_slots_total",
    "Slots of schedules by what became of them (run, caught_up, skipped)",
    ["decision"],
    registry=REGISTRY,
)
CALLS = Counter(
    "wireroom_agent_calls_total",
    "Calls of agents that ended, by state (succeeded, dead, cancelled)",
    ["state"],
    registry=REGISTRY,
)
CALL_TRIES = Counter(
    "wireroom_agent_call_tries_total",
    "Tries of agents' HTTP calls by result (the status, no_answer, barred, held)",
    ["result"],
    registry=REGISTRY,
)
