"""Units of work on runs: each arrow of a run's life is one function and one transaction.

Writes of a worker state their epoch; the database refuses them once a newer attempt has begun (`LeaseLost`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from wireroom.conversations.threads import (
    Memory,
    append_message,
    recall,
    remember_session,
    session_of,
)
from wireroom.errors import LeaseLost, NotFound
from wireroom.jobs.port import Jobs
from wireroom.perf import traces
from wireroom.runs import joining
from wireroom.runs import statements as sql
from wireroom.runs.attempt import Attempt, scope_of
from wireroom.runs.events import append_numbered, state_event
from wireroom.runs.options import RunOptions, encode, read_options, read_report
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.states import RunMode, RunState
from wireroom.speech.limits import Recording
from wireroom.store.database import after_commit

QUEUE = "runs"
KIND = "run"


@dataclass(frozen=True, slots=True)
class NewRun:
    """A request to store."""

    id: str
    request_id: str
    """The caller's id; a second request with the same one joins the first."""
    conversation_id: str
    lane: str
    source: str
    """telegram, web or api."""
    prompt: str
    backend: str
    workdir: str
    source_message_id: int | None = None
    mode: RunMode = RunMode.EXECUTE
    options: RunOptions | None = None
    joined_run_id: str | None = None
    """The run at work that its words are offered to."""
    priority: int = 0
    """Lower goes first in its lane."""
    queue: str = QUEUE


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run's row, as far as its moves need it."""

    state: RunState
    epoch: int
    conversation_id: str
    lane: str
    backend: str
    workdir: str
    interruptions: int
    queued_at: int
    started_at: int | None
    cancel_at: int | None
    mode: str
    spoken: str | None
    """The options of a run that has not begun and was spoken, or came with files, as stored; else None."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """An attempt that a crash left open, with the process that may still be there."""

    run_id: str
    epoch: int
    mark: ProcessMark


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands before its next attempt."""

    epoch: int
    """Of its newest attempt; 0 without one."""
    leftovers: Sequence[Leftover]
    """Attempts that a crash left open."""
    interruptions: int
    """How often it was cut off, those included."""
    cancel_wanted: bool
    waits_since: int | None
    """When it was queued, for a run that has never begun; else None."""
    unheard: Recording | None = None
    """What its prompt is still to be heard in; None for a request that was written."""
    has_files: bool = False
    """It came with files, which must be here before an attempt begins."""


def create_run(conn: Connection, jobs: Jobs, new: NewRun, now_ms: int) -> bool:
    """Store the request and its job; False when a run of this request id exists already."""
    created = sql.CREATE.run(
        conn,
        id=new.id,
        request_id=new.request_id,
        conversation_id=new.conversation_id,
        lane=new.lane,
        source=new.source,
        source_message_id=new.source_message_id,
        prompt=new.prompt,
        backend=new.backend,
        workdir=new.workdir,
        mode=new.mode.value,
        options=encode(new.options).decode() if new.options else None,
        joined_run_id=new.joined_run_id,
        now_ms=now_ms,
    )
    if created:
        jobs.enqueue(conn, queue=new.queue, kind=KIND, ref=new.id, key=new.lane, priority=new.priority)
        if traces.is_tracing() and not traces.is_of_update(new.request_id):
            own = traces.carrier_of(new.request_id)
            about = {"wireroom.run_id": new.id, "wireroom.source": new.source}
            after_commit(conn, partial(traces.note, "request", about, own=own))
    return bool(created)


def open_attempts(conn: Connection, run_id: str) -> Sequence[Leftover]:
    """Return the run's attempts that never ended: a crash left them, and maybe their processes."""
    return [
        Leftover(run_id, epoch, ProcessMark(pid or 0, ticks or 0, scope_of(run_id, epoch)))
        for epoch, pid, ticks in sql.OPEN_ATTEMPTS.rows(conn, run_id=run_id)
    ]


def begin_attempt(
    conn: Connection, run_id: str, *, worker: str, now_ms: int, lease_ms: int
) -> Attempt | None:
    """Take the run: a new epoch, state running. None when there is nothing left to do.

    Attempts that a crash left open are closed as interrupted and counted.

    Raises:
        NotFound: the job points at no run.
    """
    run = load_run(conn, run_id)
    if run.state.is_final:
        return None
    epoch = run.epoch + 1
    begun = sql.BEGIN.row(conn, run_id=run_id, epoch=epoch, now_ms=now_ms)
    if begun is None:
        return None
    first_event, prompt, mode, options, report = begun
    if run.epoch and (cut_off := sql.CLOSE_OPEN.run(conn, run_id=run_id, now_ms=now_ms)):
        sql.INTERRUPTED.run(conn, run_id=run_id, times=cut_off)
    sql.BEGIN_ATTEMPT.run(
        conn, run_id=run_id, epoch=epoch, worker=worker, now_ms=now_ms, until_ms=now_ms + lease_ms
    )
    wishes = read_options(options)
    taken: tuple[str, ...] = ()
    if epoch > 1 or wishes.busy is not None:
        taken = joining.take_handed(conn, run_id, epoch, now_ms) if epoch > 1 else ()
        prompt = joining.whole_prompt(conn, run_id, prompt, wishes, epoch)
    is_first = False
    if run.started_at is None:
        number = append_message(conn, run.conversation_id, "user", prompt, run_id=run_id, now_ms=now_ms)
        is_first = number == 1
    session = None if is_first else session_of(conn, run.conversation_id, run.backend)
    append_numbered(conn, run_id, first_event, [state_event(RunState.RUNNING, None)], now_ms)
    return Attempt(
        run_id=run_id,
        epoch=epoch,
        conversation_id=run.conversation_id,
        prompt=prompt,
        backend=run.backend,
        workdir=Path(run.workdir),
        session_id=session.id if session else None,
        session_workdir=Path(session.workdir) if session else None,
        session_usage=session.usage if session else {},
        is_first=is_first,
        interrupted=run.started_at is not None,
        mode=RunMode(mode),
        options=wishes,
        taken=taken,
        report=read_report(report),
    )


def remembered(conn: Connection, attempt: Attempt) -> Memory:
    """Return what was said in the conversation before the attempt's own prompt."""
    memory = recall(conn, attempt.conversation_id)
    if memory.turns and memory.turns[-1].role == "user":
        return replace(memory, turns=memory.turns[:-1])
    return memory


def standing_of(conn: Connection, run_id: str) -> Standing:
    """Return what must be known before an attempt begins."""
    run = load_run(conn, run_id)
    leftovers = open_attempts(conn, run_id) if run.epoch else ()
    return Standing(
        run.epoch,
        leftovers,
        run.interruptions + len(leftovers),
        cancel_wanted=run.cancel_at is not None,
        waits_since=run.queued_at if run.started_at is None else None,
        unheard=unheard_in(run.spoken),
        has_files=read_options(run.spoken).given is not None,
    )


def unheard_in(options: str | None) -> Recording | None:
    """Return the recording that stored options wait for, None when they wait for none."""
    recording = read_options(options).recording
    return None if recording is None or recording.heard else recording


def note_process(conn: Connection, run_id: str, epoch: int, mark: ProcessMark) -> None:
    """Note which process serves the attempt, so that the next start can end it after a crash."""
    sql.NOTE_PROCESS.run(conn, run_id=run_id, epoch=epoch, pid=mark.pid, ticks=mark.started_ticks)


def note_errand(conn: Connection, attempt: Attempt) -> str:
    """Note what a runner elsewhere is about to be given, before it is, and return its id there.

    That is `Attempt.call_id`, or the errand of an earlier attempt whose end has not been stored: the runner
    may be at it, or be done.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    noted: str | None = sql.NOTE_ERRAND.value(
        conn, run_id=attempt.run_id, epoch=attempt.epoch, errand=attempt.call_id
    )
    if noted is None:
        raise LeaseLost(f"Attempt {attempt.epoch} of {attempt.run_id} is no longer the newest.")
    return noted


def renew_lease(conn: Connection, run_id: str, epoch: int, until_ms: int) -> None:
    """Extend the attempt's lease.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    if not sql.RENEW.run(conn, run_id=run_id, epoch=epoch, until_ms=until_ms):
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")


def note_session(
    conn: Connection,
    attempt: Attempt,
    session_id: str | None,
    usage: Mapping[str, int | float] | None = None,
) -> None:
    """Remember the coding agent's session, of the attempt's folder, for the next run there."""
    remember_session(
        conn,
        attempt.conversation_id,
        backend=attempt.backend,
        session_id=session_id,
        workdir=str(attempt.workdir),
        usage=usage,
    )


def load_run(conn: Connection, run_id: str) -> StoredRun:
    """Return the run's row.

    Raises:
        NotFound: there is none.
    """
    row = sql.LOAD.row(conn, run_id=run_id)
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    state, *rest = row
    return StoredRun(RunState(state), *rest)
