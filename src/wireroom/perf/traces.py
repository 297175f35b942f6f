"""Traces: what one message set going, from its receipt to the answer. Free while nobody takes them.

Who works calls `span`, `note` and `carrier`. Each is one `if` until `begin_tracing` was called, which only
`app.traces` does; the sending is in `perf.trace_sender`, and nothing of OpenTelemetry is imported before.

A trace goes on over the database without a column of its own: its ids follow from what is stored already, the
*origin* of the work (the id of the request that an update or a caller made). So the next process, or the same
one after a crash, continues the trace that the last one began.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

Role = Literal["server", "consumer", "client", "internal"]
Attributes = Mapping[str, str | int | float | bool]

_NOTHING: AbstractContextManager[None] = nullcontext()
_NONE: Attributes = {}
_OF_UPDATE = re.compile(r"telegram-[0-9]+-[0-9]+")

BEGINNING = "beginning"
"""The step that a trace begins with."""


class Tracing(Protocol):
    """Takes spans and sends them somewhere; see `perf.trace_sender`."""

    def span(
        self, name: str, attributes: Attributes, role: Role, after: str | None, step: str | None
    ) -> AbstractContextManager[None]:
        """See `span`."""
        ...

    def note(self, name: str, attributes: Attributes, own: str, begin_ns: int, end_ns: int) -> None:
        """See `note`; times since the epoch."""
        ...

    def carrier(self) -> str | None:
        """See `carrier`."""
        ...


_tracing: Tracing | None = None


def begin_tracing(tracing: Tracing) -> None:
    """Give every span to `tracing` from now on."""
    global _tracing  # noqa: PLW0603 - one `if` on a module's name is what makes it free elsewhere
    _tracing = tracing


def end_tracing() -> None:
    """Take no more spans."""
    global _tracing  # noqa: PLW0603 - see `begin_tracing`
    _tracing = None


def is_tracing() -> bool:
    """Tell whether spans are taken."""
    return _tracing is not None


def span(
    name: str,
    attributes: Attributes = _NONE,
    *,
    role: Role = "internal",
    after: str | None = None,
    step: str | None = None,
) -> AbstractContextManager[None]:
    """Return a context manager: what happens in it is one span, and what it calls are spans below.

    Without anything above it a consumer begins a trace; what only serves a trace is not taken then.

    Args:
        name: Few different ones, such as `job run`.
        attributes: Ids and numbers; never what people wrote.
        role: What it is to those who called it.
        after: The carrier that it continues from; None: the span around it.
        step: Its name in `carrier_of`, for others to continue from; None: nobody will.
    """
    if _tracing is None:
        return _NOTHING
    return _tracing.span(name, attributes, role, after, step)


def note(name: str, attributes: Attributes = _NONE, *, own: str, seconds: float = 0.0) -> None:
    """Take a span that has just ended and begins its trace; `own` is its carrier, `seconds` what it took."""
    if _tracing is not None:
        end_ns = time.time_ns()
        _tracing.note(name, attributes, own, end_ns - int(seconds * 1e9), end_ns)


def carrier() -> str | None:
    """Return the current span as a `traceparent`, to be sent with a call; None without one.

    Source: W3C Trace Context, section 3.2.
    """
    return None if _tracing is None else _tracing.carrier()


def carrier_of(origin: str, step: str = BEGINNING) -> str:
    """Return the `traceparent` of a step of the work that began with `origin`. Pure.

    trace id = first 16 bytes of SHA-256(origin); span id = `span_id_of(trace id, step)`

    Args:
        origin: What names the work for ever, such as `telegram-123456-77`.
        step: Which part of it, such as `attempt 2`.
    """
    trace_id = hashlib.sha256(origin.encode()).hexdigest()[:32]
    return f"00-{trace_id}-{span_id_of(int(trace_id, 16), step):016x}-01"


def span_id_of(trace_id: int, step: str) -> int:
    """Return the first 8 bytes of SHA-256(trace id in hexadecimal, space, step). Pure."""
    return int.from_bytes(hashlib.sha256(f"{trace_id:032x} {step}".encode()).digest()[:8])


def origin_of_update(bot_id: int, update_id: int) -> str:
    """Return the origin of what a chat update sets going; it is the id of the request that it makes."""
    return f"telegram-{bot_id}-{update_id}"


def attempt_step(epoch: int) -> str:
    """Return the step of a run's attempt, from which its answer continues; the beginning without one."""
    return f"attempt {epoch}" if epoch else BEGINNING


def is_of_update(origin: str) -> bool:
    """Tell whether a chat update began it, so that its receipt is the beginning of the trace."""
    return _OF_UPDATE.fullmatch(origin) is not None
