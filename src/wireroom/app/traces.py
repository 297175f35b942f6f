"""Traces where a collector is named: who sends them, and how each job finds the trace that it belongs to.

An update, the run that it asks for, and the deliveries and callbacks of that run have one origin: the run's
request id. It is stored with the rows, so a job continues the trace whichever process began it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy import Connection

from wireroom import __version__
from wireroom.callbacks import outbox as callback_outbox
from wireroom.delivery import outbox
from wireroom.errors import StoreUnavailable
from wireroom.intake import accept
from wireroom.jobs.port import Handler, Job, Outcome
from wireroom.perf import traces
from wireroom.runs import records
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.statement import Statement

_OF_UPDATE = Statement("SELECT bot_id, update_id FROM updates WHERE id = :row_id")
"""What came."""

_OF_RUN = Statement("SELECT request_id FROM runs WHERE id = :run_id")
"""What asked for a run."""

_OF_DELIVERY = Statement("""
    SELECT runs.request_id, runs.epoch, runs.finished_at
    FROM deliveries JOIN runs ON runs.id = deliveries.run_id WHERE deliveries.id = :row_id
""")
"""What asked for a message, and the attempt that it tells of."""

_OF_CALLBACK = Statement("""
    SELECT runs.request_id, runs.epoch, runs.finished_at
    FROM callbacks JOIN runs ON runs.id = callbacks.run_id WHERE callbacks.id = :row_id
""")
"""The same of a callback."""


def begin_traces(settings: Settings) -> Callable[[], Awaitable[None]]:
    """Take and send traces if the settings name a collector; return what ends that.

    Raises:
        SettingsError: a collector is named, and the extra `trace` is not installed.
    """
    if not settings.otlp_endpoint:
        return _do_nothing
    from wireroom.perf.trace_sender import TraceSender  # noqa: PLC0415 - only who asks for traces pays

    sender = TraceSender(settings.otlp_endpoint, version=__version__)
    traces.begin_tracing(sender)

    async def end() -> None:
        traces.end_tracing()
        await asyncio.to_thread(sender.close)

    return end


def traced(handlers: dict[str, Handler], db: Database) -> dict[str, Handler]:
    """Return the handlers, each in a span of its own while traces are taken; else as they are."""
    if not traces.is_tracing():
        return handlers
    return {kind: partial(_handle, db, handler) for kind, handler in handlers.items()}


async def _handle(db: Database, handler: Handler, job: Job) -> Outcome:
    try:
        after = await db.read(lambda conn: carrier_of_job(conn, job.kind, job.ref))
    except StoreUnavailable:
        after = None  # the handler meets the same, and knows what to do
    about: traces.Attributes = {"wireroom.job": f"{job.kind}:{job.ref}", "wireroom.start": job.attempt}
    with traces.span(f"job {job.kind}", about, role="consumer", after=after):
        return await handler(job)


def carrier_of_job(conn: Connection, kind: str, ref: str) -> str | None:
    """Return what a job continues from; None for one that nobody's request began.

    Until its run has ended a delivery shows the placeholder, which follows from the request alone.
    """
    match kind:
        case accept.KIND:
            row = _OF_UPDATE.row(conn, row_id=int(ref))
            return None if row is None else traces.carrier_of(traces.origin_of_update(*row))
        case records.KIND:
            row = _OF_RUN.row(conn, run_id=ref)
            return None if row is None else traces.carrier_of(row[0])
        case outbox.KIND:
            row = _OF_DELIVERY.row(conn, row_id=int(ref))
        case callback_outbox.KIND:
            row = _OF_CALLBACK.row(conn, row_id=int(ref))
        case _:
            return None
    if row is None:
        return None
    request_id, epoch, finished_at = row
    return traces.carrier_of(request_id, traces.attempt_step(0 if finished_at is None else epoch))


async def _do_nothing() -> None:
    pass
