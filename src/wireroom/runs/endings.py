"""Units of work that end an attempt: a run is finished, ended without an agent, or put back to wait."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs
from sqlalchemy import Connection

from wireroom.conversations.threads import append_message
from wireroom.errors import LeaseLost
from wireroom.jobs.port import Jobs
from wireroom.runs import loop, rounds
from wireroom.runs import statements as sql
from wireroom.runs.answer_buttons import answer_buttons
from wireroom.runs.events import append_events, state_event, text_so_far
from wireroom.runs.left_files import send_left_files
from wireroom.runs.options import RunReport, encode, read_report
from wireroom.runs.records import load_run
from wireroom.runs.side import answered_aside, is_side
from wireroom.runs.states import RunMode, RunState, check_move
from wireroom.runs.telling import tell_end
from wireroom.runs.verdict import Verdict, answer_markdown


def finish_run(
    conn: Connection,
    jobs: Jobs,
    run_id: str,
    epoch: int,
    verdict: Verdict,
    *,
    usage: object,
    now_ms: int,
    report: RunReport | None = None,
) -> None:
    """Store how the run ended, the assistant's message and the answer to deliver, together.

    Raises:
        LeaseLost: a newer attempt has begun; nothing is written.
    """
    run = load_run(conn, run_id)
    if run.epoch != epoch:
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")
    check_move(run.state, verdict.state)
    append_events(conn, run_id, epoch, [state_event(verdict.state, verdict.reason)], now_ms)
    _close_attempt(conn, run_id, epoch, verdict, now_ms)
    if run.mode == RunMode.ITERATE:
        rounds.close_open(conn, run_id, verdict.state, now_ms)
    sql.FINISH.run(
        conn,
        run_id=run_id,
        state=verdict.state.value,
        reason=verdict.reason,
        output=verdict.output,
        error=None if verdict.state is RunState.SUCCEEDED else verdict.reason,
        exit_code=verdict.exit_code,
        usage=encode(usage).decode() if usage else None,
        report=encode(report).decode() if report else None,
        now_ms=now_ms,
    )
    answer = answer_markdown(verdict)
    if run.started_at is not None:
        append_message(conn, run.conversation_id, "assistant", answer, run_id=run_id, now_ms=now_ms)
    has_diff = report is not None and bool(report.diff)
    buttons = answer_buttons(run_id, verdict.state, has_diff=has_diff)
    if is_side(run.lane):
        answer, buttons = answered_aside(answer), ()
    tell_end(conn, jobs, run_id, answer, buttons, now_ms=now_ms)
    if report is not None:
        send_left_files(conn, jobs, run_id, report, now_ms)


def end_without_agent(
    conn: Connection,
    jobs: Jobs,
    run_id: str,
    verdict: Verdict,
    now_ms: int,
    *,
    epoch: int | None = None,
) -> None:
    """End a run that no agent works on any more, with what one had said until then; an ended run stays.

    Args:
        conn: The unit's.
        jobs: Where the answer's delivery is queued.
        run_id: The run.
        verdict: How it ends; its output is filled in here.
        now_ms: The time.
        epoch: The newest attempt that the caller knows of; None when it holds the run itself.

    Raises:
        LeaseLost: a newer attempt has begun; nothing is written.
    """
    run = load_run(conn, run_id)
    if run.state.is_final:
        return
    epoch = run.epoch if epoch is None else epoch
    output, usage = text_so_far(conn, run_id), None
    report = read_report(sql.REPORT.value(conn, run_id=run_id))
    if run.mode == RunMode.ITERATE:
        history = rounds.read_rounds(conn, run_id)
        output, usage = output or loop.output_of(history), loop.usage_of(history)
        report = loop.report_of(history, report.max_iterations, report)
    finish_run(
        conn,
        jobs,
        run_id,
        epoch,
        replace(verdict, output=output),
        usage=usage,
        now_ms=now_ms,
        report=structs.replace(report, error_code=verdict.error_code),
    )


def requeue_interrupted(conn: Connection, run_id: str, epoch: int, now_ms: int) -> None:
    """Close the attempt that a stop of the service cut off; the run waits for the next start."""
    run = load_run(conn, run_id)
    if run.epoch != epoch or run.state.is_final:
        return
    reason = "The service stopped."
    append_events(conn, run_id, epoch, [state_event(RunState.QUEUED, reason)], now_ms)
    _close_attempt(conn, run_id, epoch, Verdict(RunState.INTERRUPTED, "", reason, None), now_ms)
    sql.REQUEUE.run(conn, run_id=run_id)


def _close_attempt(conn: Connection, run_id: str, epoch: int, verdict: Verdict, now_ms: int) -> None:
    sql.CLOSE_ATTEMPT.run(
        conn,
        run_id=run_id,
        epoch=epoch,
        state=verdict.state.value,
        reason=verdict.reason,
        exit_code=verdict.exit_code,
        now_ms=now_ms,
    )
