"""Sends spans to an OpenTelemetry collector: OTLP over HTTP, in batches, on a thread of the library.

The library comes with the extra `trace` and is imported when a sender is made. What a collector does not take
in time is dropped: work never waits for it. How much is taken and how it is sent follow the library's own
variables (OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS,
OTEL_BSP_SCHEDULE_DELAY).
Source: OpenTelemetry Specification, Environment Variable Specification.
"""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from wireroom.errors import SettingsError
from wireroom.perf.traces import Attributes, Role, span_id_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanKind

_log = structlog.get_logger(__name__)
_PATH = "/v1/traces"
_SEND_SECONDS = 5.0
_END_SECONDS = 2.0
_MISSING = "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is missing: pip install wireroom[trace]"


class TraceSender:
    """A `perf.traces.Tracing` that sends.

    Raises:
        SettingsError: the library is missing.
    """

    def __init__(self, endpoint: str, *, version: str) -> None:
        """Begin; `endpoint` is the collector's base address, `version` is told with each batch."""
        try:
            from opentelemetry import trace  # noqa: PLC0415 - an extra, and heavy: only who asks for traces pays
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - as above
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above
            from opentelemetry.sdk.trace.sampling import Decision  # noqa: PLC0415 - as above
        except ImportError as error:
            raise SettingsError(_MISSING) from error
        self._api = trace
        self._dropped = Decision.DROP
        self._ids = _Ids()
        ids: Any = self._ids  # has the methods; the class to derive from comes with the library
        name = os.environ.get("OTEL_SERVICE_NAME", "wireroom")
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": name, "service.version": version}),
            id_generator=ids,
            shutdown_on_exit=False,
        )
        sending: Any = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH, timeout=_SEND_SECONDS)
        telling: Any = _TellsOfFailure(sending, endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(telling))
        self._tracer = self._provider.get_tracer("wireroom", version)
        # The library's own words are a traceback for each batch that a collector does not take.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    @contextmanager
    def span(
        self, name: str, attributes: Attributes, role: Role, after: str | None, step: str | None
    ) -> Iterator[None]:
        """See `perf.traces.span`."""
        context = None if after is None else self._context(after)
        above = self._api.get_current_span(context).get_span_context()
        if not above.is_valid and role != "consumer":
            yield
            return
        own = None if step is None else (above.trace_id, span_id_of(above.trace_id, step))
        taken = self._start(name, attributes, role, context, own=own)
        try:
            with self._api.use_span(taken, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as error:
            # Its class alone: the message of an error may hold what people wrote.
            taken.set_status(self._api.StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            taken.end()

    def note(self, name: str, attributes: Attributes, own: str, begin_ns: int, end_ns: int) -> None:
        """See `perf.traces.note`."""
        from opentelemetry.context import Context  # noqa: PLC0415 - imported already, see `__init__`

        began = self._start(name, attributes, "server", Context(), own=_read(own), begin_ns=begin_ns)
        began.end(end_ns)

    def carrier(self) -> str | None:
        """See `perf.traces.carrier`."""
        current = self._api.get_current_span().get_span_context()
        if not current.is_valid:
            return None
        return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"

    def close(self) -> None:
        """Send what waits, for a few seconds at most."""
        ending = threading.Thread(target=self._provider.shutdown, name="end of traces", daemon=True)
        ending.start()
        ending.join(_END_SECONDS)

    def _start(
        self,
        name: str,
        attributes: Attributes,
        role: Role,
        context: Context | None,
        *,
        own: tuple[int, int] | None,
        begin_ns: int | None = None,
    ) -> Span:
        self._ids.next = own
        kind: SpanKind = self._api.SpanKind[role.upper()]
        try:
            return self._tracer.start_span(name, context, kind, attributes, start_time=begin_ns)
        finally:
            self._ids.next = None

    def _context(self, carrier: str) -> Context:
        """Return what a span continues from, sampled as the beginning of its trace was."""
        trace_id, span_id = _read(carrier)
        begun = self._provider.sampler.should_sample(None, trace_id, "").decision
        flags = self._api.TraceFlags(0 if begun is self._dropped else self._api.TraceFlags.SAMPLED)
        above = self._api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
        return self._api.set_span_in_context(self._api.NonRecordingSpan(above))


class _TellsOfFailure:
    """Sends batches, and has the log say when a collector begins to take none.

    Source: OpenTelemetry SDK for Python, `opentelemetry.sdk.trace.export.SpanExporter`.
    """

    def __init__(self, sending: Any, endpoint: str) -> None:
        self._sending = sending
        self._endpoint = endpoint
        self._fails = False

    def export(self, spans: Sequence[Any]) -> Any:
        """Send a batch; what fails is dropped."""
        result = self._sending.export(spans)
        failed = result.name != "SUCCESS"
        if failed and not self._fails:
            _log.warning("traces_not_taken", collector=self._endpoint, dropped=len(spans))
        self._fails = failed
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._sending.shutdown()

    def force_flush(self, timeout_millis: int = 0) -> bool:
        """Return at once: a batch is sent before `export` returns."""
        del timeout_millis
        return True


class _Ids(threading.local):
    """Makes ids: those that the next span on this thread shall have, else random ones.

    Source: OpenTelemetry SDK for Python, `opentelemetry.sdk.trace.id_generator.IdGenerator`.
    """

    next: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Return the id of a trace that begins, above 0."""
        return self.next[0] if self.next else random.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        """Return the id of a span, above 0."""
        return self.next[1] if self.next else random.getrandbits(64) or 1

    def is_trace_id_random(self) -> bool:
        """Tell whether the low bits of trace ids are random; those of a hash are as good."""
        return True


def _read(carrier: str) -> tuple[int, int]:
    _, trace_id, span_id, _ = carrier.split("-")
    return int(trace_id, 16), int(span_id, 16)
