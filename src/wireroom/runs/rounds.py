"""Units of work on the rounds of a loop: each is a row before its agent starts, and closed when it has ended.

Writes state the epoch of their attempt and are refused once a newer one has begun. What a round means for the
loop is decided in `runs.loop`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.errors import LeaseLost
from wireroom.runs.events import append_events
from wireroom.runs.loop import Judgement, Round, RoundKind
from wireroom.runs.options import RunReport, encode
from wireroom.runs.review import ToolUse
from wireroom.runs.statements import CLOSE_ERRAND
from wireroom.runs.states import RunState
from wireroom.store.statement import Statement

_MOST_TOOL_EVENTS = 5_000

_OPEN = Statement("""
    INSERT INTO run_rounds (run_id, seq, kind, state, prompt, started_at)
    SELECT :run_id, COALESCE(MAX(seq), 0) + 1, :kind, 'running', :prompt, :now_ms
    FROM run_rounds WHERE run_id = :run_id
    RETURNING seq
""")
"""Add the next round."""

_CLOSE = Statement("""
    UPDATE run_rounds SET state = :state, output = :output, reason = :reason, exit_code = :exit_code,
        verdict = :judgement, usage = :usage, finished_at = :now_ms
    WHERE run_id = :run_id AND seq = :seq AND state = 'running'
      AND EXISTS (SELECT 1 FROM runs WHERE id = :run_id AND epoch = :epoch)
""")
"""Note how a round ended; nothing comes back to an attempt that is not the newest."""

_READ = Statement("""
    SELECT seq, kind, state, prompt, output, reason, exit_code, verdict, usage, started_at, finished_at
    FROM run_rounds WHERE run_id = :run_id ORDER BY seq
""")
"""All rounds of a run, oldest first."""

_CUT_OFF = Statement("""
    UPDATE run_rounds SET state = 'interrupted', reason = 'The service went down.', usage = :usage,
        finished_at = :finished_ms
    WHERE run_id = :run_id AND seq = :seq
""")
"""Close a round that an earlier attempt left open."""

_CLOSE_OPEN = Statement("""
    UPDATE run_rounds SET state = :state, finished_at = :now_ms WHERE run_id = :run_id AND state = 'running'
""")
"""Close what is open when the run ends."""

_LAST_SIGN = Statement("""
    SELECT MAX(created_at) FROM run_events
    WHERE run_id = :run_id AND created_at >= :since_ms AND kind <> 'state'
""")
"""When an agent was last heard of."""

_LAST_USAGE = Statement("""
    SELECT payload FROM run_events
    WHERE run_id = :run_id AND created_at >= :since_ms AND kind = 'usage' ORDER BY seq DESC LIMIT 1
""")
"""What an agent said last of what it has used."""

_TOOL_EVENTS = Statement("""
    SELECT kind, payload FROM run_events
    WHERE run_id = :run_id AND created_at BETWEEN :since_ms AND :until_ms
      AND kind IN ('tool_call', 'tool_result')
    ORDER BY seq LIMIT :most
""")
"""Which tools were used, and how that ended."""

_NOTE_REPORT = Statement("UPDATE runs SET report = :report WHERE id = :run_id AND epoch = :epoch")
"""Note what there is to tell of a run that goes on."""

_judgement = msgspec.json.Decoder(Judgement).decode


@dataclass(frozen=True, slots=True)
class Closing:
    """How a round ended."""

    seq: int
    number: int
    """Of the work, or of the work that was reviewed."""
    state: RunState
    output: str
    reason: str | None
    exit_code: int | None
    judgement: Judgement | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)


def open_round(
    conn: Connection, run_id: str, epoch: int, *, kind: RoundKind, number: int, prompt: str, now_ms: int
) -> int:
    """Store that a round begins, tell so in the log, and return its `seq`.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    append_events(conn, run_id, epoch, [_round_event(kind, number, None)], now_ms)
    seq: int = _OPEN.value(conn, run_id=run_id, kind=kind.value, prompt=prompt, now_ms=now_ms)
    return seq


def close_round(conn: Connection, run_id: str, epoch: int, closing: Closing, now_ms: int) -> None:
    """Store how the round ended, which ends its errand elsewhere; the verdict of a review is told in the log.

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    closed = _CLOSE.run(
        conn,
        run_id=run_id,
        epoch=epoch,
        seq=closing.seq,
        state=closing.state.value,
        output=closing.output,
        reason=closing.reason,
        exit_code=closing.exit_code,
        judgement=encode(closing.judgement).decode() if closing.judgement else None,
        usage=encode(closing.usage).decode() if closing.usage else None,
        now_ms=now_ms,
    )
    if not closed:
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")
    CLOSE_ERRAND.run(conn, run_id=run_id, epoch=epoch)
    if (verdict := _verdict_word(closing.judgement)) is not None:
        append_events(conn, run_id, epoch, [_round_event(RoundKind.REVIEW, closing.number, verdict)], now_ms)


def take_over(conn: Connection, run_id: str, epoch: int, report: RunReport) -> None:
    """Close the rounds that earlier attempts left open, and note what is known of the loop.

    Such a round lasted until its agent was last heard of, and used what that told last. An agent that counts
    its session has told nothing: the next round's share holds what it used (`runs.session_usage`).

    Raises:
        LeaseLost: a newer attempt has begun.
    """
    if not _NOTE_REPORT.run(conn, run_id=run_id, epoch=epoch, report=encode(report).decode()):
        raise LeaseLost(f"Attempt {epoch} of {run_id} is no longer the newest.")
    for one in read_rounds(conn, run_id):
        if one.state is RunState.RUNNING:
            since = {"run_id": run_id, "since_ms": one.started_at}
            last_sign = _LAST_SIGN.value(conn, **since) or one.started_at
            usage = _LAST_USAGE.value(conn, **since)
            _CUT_OFF.run(conn, run_id=run_id, seq=one.seq, usage=usage, finished_ms=last_sign)


def close_open(conn: Connection, run_id: str, state: RunState, now_ms: int) -> None:
    """Close the round that is open when its run ends in this state."""
    _CLOSE_OPEN.run(conn, run_id=run_id, state=state.value, now_ms=now_ms)


def read_rounds(conn: Connection, run_id: str) -> Sequence[Round]:
    """Return all rounds of the run, oldest first."""
    return [
        Round(
            seq=seq,
            kind=RoundKind(kind),
            state=RunState(state),
            prompt=prompt,
            output=output or "",
            reason=reason,
            exit_code=exit_code,
            judgement=_judgement(judgement) if judgement else None,
            usage=msgspec.json.decode(usage) if usage else {},
            started_at=started_at,
            finished_at=finished_at,
        )
        for (
            seq,
            kind,
            state,
            prompt,
            output,
            reason,
            exit_code,
            judgement,
            usage,
            started_at,
            finished_at,
        ) in _READ.rows(conn, run_id=run_id)
    ]


def tool_uses(conn: Connection, run_id: str, since_ms: int, until_ms: int) -> Sequence[ToolUse]:
    """Return the tools that were used from one time to the other, in order, with how that ended."""
    summaries: dict[str, str] = {}
    ends: dict[str, bool] = {}
    events = _TOOL_EVENTS.rows(
        conn, run_id=run_id, since_ms=since_ms, until_ms=until_ms, most=_MOST_TOOL_EVENTS
    )
    for number, (kind, stored) in enumerate(events):
        payload = msgspec.json.decode(stored)
        call = payload["id"] or str(number)
        if kind == EventKind.TOOL_CALL.value:
            summaries[call] = payload["summary"]
        else:
            ends[call] = payload["ok"]
    return [ToolUse(summary, ends.get(call)) for call, summary in summaries.items()]


def _round_event(kind: RoundKind, number: int, verdict: str | None) -> AgentEvent:
    return AgentEvent(EventKind.ROUND, {"number": number, "kind": kind.value, "verdict": verdict})


def _verdict_word(judgement: Judgement | None) -> str | None:
    """Return complete, continue, blocked or unreadable; None for work."""
    if judgement is None or (word := judgement.__struct_config__.tag) == "failed":
        return None
    return str(word)
