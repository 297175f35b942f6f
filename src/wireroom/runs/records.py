"""Units of work on runs: each arrow of a run's life is one function and one transaction.

Writes of a worker state their epoch; the database refuses them once a newer attempt has begun (`LeaseLost`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from wireroom.conversations.context import Turn
from wireroom.conversations.threads import append_message, find_conversation, recent_turns, remember_session
from wireroom.delivery.outbox import Button, fill_delivery
from wireroom.errors import LeaseLost, NotFound
from wireroom.jobs.port import Jobs
from wireroom.runs.events import append_events, state_event, text_so_far
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.states import RunState, check_move
from wireroom.runs.verdict import Verdict, answer_markdown
from wireroom.store.schema import run_attempts, runs

QUEUE = "runs"
KIND = "run"
_CONTEXT_TURNS = 60


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
    workdir: Path
    source_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an executor needs to work."""

    run_id: str
    epoch: int
    conversation_id: str
    prompt: str
    backend: str
    workdir: Path
    session_id: str | None
    turns: Sequence[Turn]
    """Earlier turns of the conversation, oldest first."""
    interrupted: bool
    """True when an earlier attempt was cut off; the agent is told to go on."""


@dataclass(frozen=True, slots=True)
class Leftover:
    """An attempt that a crash left open, with the process that may still be there."""

    run_id: str
    epoch: int
    mark: ProcessMark


def scope_of(run_id: str, epoch: int) -> str:
    """Return the mark that the attempt's processes carry in their environment."""
    return f"{run_id}.{epoch}"


def create_run(conn: Connection, jobs: Jobs, new: NewRun, now_ms: int) -> bool:
    """Store the request and its job; False when a run of this request id exists already."""
    if conn.execute(select(runs.c.id).where(runs.c.request_id == new.request_id)).first() is not None:
        return False
    conn.execute(
        insert(runs).values(
            id=new.id,
            request_id=new.request_id,
            conversation_id=new.conversation_id,
            lane=new.lane,
            source=new.source,
            source_message_id=new.source_message_id,
            prompt=new.prompt,
            backend=new.backend,
            workdir=str(new.workdir),
            state=RunState.QUEUED,
            queued_at=now_ms,
        )
    )
    jobs.enqueue(conn, queue=QUEUE, kind=KIND, ref=new.id, key=new.lane)
    return True


def open_attempts(conn: Connection, run_id: str) -> Sequence[Leftover]:
    """Return the run's attempts that never ended: a crash left them, and maybe their processes."""
    query = select(run_attempts).where(run_attempts.c.run_id == run_id, run_attempts.c.state == "running")
    return [_leftover(row) for row in conn.execute(query)]


def begin_attempt(
    conn: Connection, run_id: str, *, worker: str, now_ms: int, lease_ms: int
) -> Attempt | None:
    """Take the run: a new epoch, state running. None when there is nothing left to do.

    Attempts that a crash left open are closed as interrupted and counted.

    Raises:
        NotFound: the job points at no run.
    """
    row = _run(conn, run_id)
    if RunState(row.state).is_final:
        return None
    cut_off = conn.execute(
        update(run_attempts)
        .where(run_attempts.c.run_id == run_id, run_attempts.c.state == "running")
        .values(state=RunState.INTERRUPTED, finished_at=now_ms, reason="The service went down.")
    ).rowcount
    epoch = row.epoch + 1
    conn.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(
            epoch=epoch,
            state=RunState.RUNNING,
            reason=None,
            started_at=row.started_at or now_ms,
            interruptions=row.interruptions + cut_off,
        )
    )
    conn.execute(
        insert(run_attempts).values(
            run_id=run_id,
            epoch=epoch,
            worker=worker,
            state="running",
            started_at=now_ms,
            lease_until=now_ms + lease_ms,
        )
    )
    turns = recent_turns(conn, row.conversation_id, _CONTEXT_TURNS)
    if row.started_at is None:
        append_message(conn, row.conversation_id, "user", row.prompt, run_id=run_id, now_ms=now_ms)
    conversation = find_conversation(conn, row.conversation_id)
    resumable = conversation is not None and conversation.session_backend == row.backend
    append_events(conn, run_id, epoch, [state_event(RunState.RUNNING, None)], now_ms)
    return Attempt(
        run_id=run_id,
        epoch=epoch,
        conversation_id=row.conversation_id,
        prompt=row.prompt,
        backend=row.backend,
        workdir=Path(row.workdir),
        session_id=conversation.session_id if conversation is not None and resumable else None,
        turns=turns,
        interrupted=row.started_at is not None,
    )


def interruptions(conn: Connection, run_id: str) -> int:
    """Return how often the run was cut off, counting attempts that are still open."""
    row = _run(conn, run_id)
    return int(row.interruptions) + len(open_attempts(conn, run_id))


def note_process(conn: Connection, run_id: str, epoch: int, mark: ProcessMark) -> None:
    """Note which process serves the attempt, so that the next start can end it after a crash."""
    conn.execute(
        update(run_attempts)
        .where(run_attempts.c.run_id == run_id, run_attempts.c.epoch == epoch)
        .values(pid=mark.pid, pid_started=mark.started_ticks)
    )


def renew_lease(conn: Connection, run_id: str, epoch: int, until_ms: int) -> None:
    """Extend the attempt's lease.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    done = conn.execute(
        update(run_attempts)
        .where(
            run_attempts.c.run_id == run_id,
            run_attempts.c.epoch == epoch,
            run_attempts.c.state == "running",
        )
        .values(lease_until=until_ms)
    )
    if not done.rowcount:
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")


def finish_run(
    conn: Connection,
    jobs: Jobs,
    run_id: str,
    epoch: int,
    verdict: Verdict,
    *,
    usage: object,
    now_ms: int,
) -> None:
    """Store how the run ended, the assistant's message and the answer to deliver, together.

    Raises:
        LeaseLost: a newer attempt has begun; nothing is written.
    """
    row = _run(conn, run_id)
    if row.epoch != epoch:
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")
    check_move(RunState(row.state), verdict.state)
    append_events(conn, run_id, epoch, [state_event(verdict.state, verdict.reason)], now_ms)
    _close_attempt(conn, run_id, epoch, verdict, now_ms)
    conn.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(
            state=verdict.state,
            reason=verdict.reason,
            output=verdict.output,
            error=None if verdict.state is RunState.SUCCEEDED else verdict.reason,
            exit_code=verdict.exit_code,
            usage=msgspec.json.encode(usage).decode() if usage else None,
            finished_at=now_ms,
        )
    )
    answer = answer_markdown(verdict)
    if row.started_at is not None:
        append_message(conn, row.conversation_id, "assistant", answer, run_id=run_id, now_ms=now_ms)
    buttons = () if verdict.state is RunState.SUCCEEDED else (Button("🔁 Try again", f"w:retry:{run_id}"),)
    fill_delivery(conn, jobs, run_id, answer, buttons)


def end_without_agent(
    conn: Connection, jobs: Jobs, run_id: str, state: RunState, *, reason: str, now_ms: int
) -> None:
    """End a run that no agent works on any more, with what one had said until then; an ended run stays."""
    row = _run(conn, run_id)
    if not RunState(row.state).is_final:
        verdict = Verdict(state, text_so_far(conn, run_id), reason, None)
        finish_run(conn, jobs, run_id, row.epoch, verdict, usage=None, now_ms=now_ms)


def requeue_interrupted(conn: Connection, run_id: str, epoch: int, now_ms: int) -> None:
    """Close the attempt that a stop of the service cut off; the run waits for the next start."""
    row = _run(conn, run_id)
    if row.epoch != epoch or RunState(row.state).is_final:
        return
    append_events(conn, run_id, epoch, [state_event(RunState.QUEUED, "The service stopped.")], now_ms)
    conn.execute(
        update(run_attempts)
        .where(run_attempts.c.run_id == run_id, run_attempts.c.epoch == epoch)
        .values(state=RunState.INTERRUPTED, reason="The service stopped.", finished_at=now_ms)
    )
    conn.execute(
        update(runs)
        .where(runs.c.id == run_id)
        .values(state=RunState.QUEUED, interruptions=runs.c.interruptions + 1)
    )


def note_session(conn: Connection, attempt: Attempt, session_id: str | None) -> None:
    """Remember the coding agent's session for the conversation's next run."""
    remember_session(conn, attempt.conversation_id, backend=attempt.backend, session_id=session_id)


def _close_attempt(conn: Connection, run_id: str, epoch: int, verdict: Verdict, now_ms: int) -> None:
    conn.execute(
        update(run_attempts)
        .where(run_attempts.c.run_id == run_id, run_attempts.c.epoch == epoch)
        .values(state=verdict.state, reason=verdict.reason, exit_code=verdict.exit_code, finished_at=now_ms)
    )


def _run(conn: Connection, run_id: str) -> Row[tuple[object, ...]]:
    row = conn.execute(select(runs).where(runs.c.id == run_id)).first()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    return row


def _leftover(row: Row[tuple[object, ...]]) -> Leftover:
    mark = ProcessMark(row.pid or 0, row.pid_started or 0, scope_of(row.run_id, row.epoch))
    return Leftover(row.run_id, row.epoch, mark)
