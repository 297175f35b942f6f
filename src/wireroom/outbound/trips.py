"""What outgoing calls took, from the session's own traces: every call is counted, whoever makes it.

A caller names its purpose by giving a `Trip` as `trace_request_ctx`; calls without one are Telegram's.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from wireroom.perf.metrics import OUTBOUND_CALLS, OUTBOUND_CONNECTIONS, OUTBOUND_SECONDS

_PURPOSE = "telegram"
_reused, _made = OUTBOUND_CONNECTIONS.labels("reused"), OUTBOUND_CONNECTIONS.labels("made")


@dataclass(slots=True)
class Trip:
    """One call under way."""

    purpose: str
    """callback, agent, runner or telegram."""
    was_reused: bool = False
    """It went over a connection that had been used before."""
    begun: float = 0.0


def counting() -> aiohttp.TraceConfig:
    """Return the traces that count a session's calls."""
    traces = aiohttp.TraceConfig()
    traces.on_request_start.append(_start)
    traces.on_connection_reuseconn.append(_reuse)
    traces.on_connection_create_end.append(_connect)
    traces.on_request_end.append(_end)
    traces.on_request_exception.append(_fail)
    return traces


async def _start(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
    context.trip = context.trace_request_ctx or Trip(_PURPOSE)
    context.trip.begun = time.perf_counter()


async def _reuse(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
    context.trip.was_reused = True
    _reused.inc()


async def _connect(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
    context.trip.was_reused = False
    _made.inc()


async def _end(_session: aiohttp.ClientSession, context: Any, params: aiohttp.TraceRequestEndParams) -> None:
    _count(context.trip, f"{params.response.status // 100}xx")


async def _fail(_session: aiohttp.ClientSession, context: Any, _params: object) -> None:
    _count(context.trip, "failed")


def _count(trip: Trip, result: str) -> None:
    OUTBOUND_CALLS.labels(trip.purpose, result).inc()
    OUTBOUND_SECONDS.labels(trip.purpose).observe(time.perf_counter() - trip.begun)
