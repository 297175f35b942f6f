"""The figures of callbacks on `/metrics`."""

from __future__ import annotations

from prometheus_client import Counter

from wireroom.perf.metrics import REGISTRY

CALLBACKS = Counter(
    "wireroom_callbacks_total", "Callbacks that ended, by state (sent, dead)", ["state"], registry=REGISTRY
)
CALLBACK_TRIES = Counter(
    "wireroom_callbacks_tries_total",
    "Tries of callbacks by result (the status, no_answer, barred, held)",
    ["result"],
    registry=REGISTRY,
)
