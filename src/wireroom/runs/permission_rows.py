"""Units of work on agents' questions for permission: stored before they are asked, answered once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection

from wireroom.backends.protocol import PermissionQuestion
from wireroom.runs.states import RunState
from wireroom.store.statement import Row, Statement

_STORE = Statement("""
    INSERT INTO permissions (id, run_id, conversation_id, tool, subject, digest, state, asked_at, expires_at)
    VALUES (:id, :run_id, :conversation_id, :tool, :subject, :digest, 'asked', :now_ms, :expires_ms)
""")
"""Add a question."""

_SAME = Statement("""
    SELECT permissions.id, permissions.state, expires_at, asked_at < run_attempts.started_at
    FROM permissions JOIN run_attempts
        ON run_attempts.run_id = permissions.run_id AND run_attempts.epoch = :epoch
    WHERE permissions.run_id = :run_id AND digest = :digest ORDER BY asked_at
""")
"""What the run has asked in the same words, oldest first, and whether that was before this attempt."""

_SESSION = Statement("""
    SELECT 1 FROM permissions
    WHERE conversation_id = :conversation_id AND tool = :tool AND state = 'allowed_session' LIMIT 1
""")
"""Whether a person allowed the tool for the rest of the conversation."""

_FIND = Statement("""
    SELECT permissions.id, run_id, permissions.conversation_id, tool, subject, permissions.state, asked_at,
           expires_at, answered_at, answered_by, lane, runs.state
    FROM permissions JOIN runs ON runs.id = run_id WHERE permissions.id = :id
""")
"""One question, with where and how its run stands."""

_LIST_OPEN = Statement("""
    SELECT permissions.id, run_id, permissions.conversation_id, tool, subject, permissions.state, asked_at,
           expires_at, answered_at, answered_by, lane, runs.state
    FROM permissions CROSS JOIN runs
    WHERE runs.id = run_id AND permissions.state = 'asked' AND expires_at > :now_ms
        AND runs.state IN ('queued', 'running')
    ORDER BY expires_at LIMIT :limit
""")
"""Questions that a person can answer now, the most urgent first."""

_LIST_OF_RUN = Statement("""
    SELECT permissions.id, run_id, permissions.conversation_id, tool, subject, permissions.state, asked_at,
           expires_at, answered_at, answered_by, lane, runs.state
    FROM permissions JOIN runs ON runs.id = run_id
    WHERE run_id = :run_id ORDER BY asked_at DESC LIMIT :limit
""")
"""All that one run has asked, newest first."""

_CLOSE = Statement("""
    UPDATE permissions SET state = :state, answered_at = :now_ms, answered_by = :by
    WHERE id = :id AND state = 'asked'
""")
"""Answer an open question; whoever comes second changes nothing."""

_SOURCE = Statement("SELECT source FROM runs WHERE id = :run_id")
"""Where a run was asked for."""


class PermissionState(StrEnum):
    """The states of a question."""

    ASKED = "asked"
    ALLOWED = "allowed"
    ALLOWED_SESSION = "allowed_session"
    """For every use of the tool until the conversation ends."""
    DENIED = "denied"
    EXPIRED = "expired"
    """Nobody answered in time; the default held."""


@dataclass(frozen=True, slots=True)
class PermissionView:
    """A question as people see it."""

    id: str
    run_id: str
    conversation_id: str
    tool: str
    subject: str
    state: PermissionState
    asked_at: int
    expires_at: int
    answered_at: int | None
    answered_by: str | None
    lane: str
    run_state: RunState

    def is_open(self, now_ms: int) -> bool:
        """True while an answer still reaches the agent."""
        return (
            self.state is PermissionState.ASKED and now_ms < self.expires_at and not self.run_state.is_final
        )


@dataclass(frozen=True, slots=True)
class SameQuestion:
    """What is known of a question that the run has asked before."""

    id: str
    state: PermissionState
    expires_at: int
    of_earlier_attempt: bool


def same_questions(
    conn: Connection, run_id: str, epoch: int, digest: str, *, but: Collection[str]
) -> Sequence[SameQuestion]:
    """Return the run's questions in the same words, oldest first, without those in `but`."""
    rows = _SAME.rows(conn, run_id=run_id, epoch=epoch, digest=digest)
    return [
        SameQuestion(row[0], PermissionState(row[1]), row[2], bool(row[3]))
        for row in rows
        if row[0] not in but
    ]


def is_allowed_for_session(conn: Connection, conversation_id: str, tool: str) -> bool:
    """Tell whether a person allowed the tool for the rest of the conversation."""
    return _SESSION.row(conn, conversation_id=conversation_id, tool=tool) is not None


def source_of_run(conn: Connection, run_id: str) -> str:
    """Return where the run was asked for: telegram, web or api."""
    return str(_SOURCE.value(conn, run_id=run_id) or "")


def store_question(
    conn: Connection,
    permission_id: str,
    question: PermissionQuestion,
    *,
    run_id: str,
    conversation_id: str,
    now_ms: int,
    expires_ms: int,
) -> None:
    """Add a question that waits for a person."""
    _STORE.run(
        conn,
        id=permission_id,
        run_id=run_id,
        conversation_id=conversation_id,
        tool=question.tool,
        subject=question.subject,
        digest=question.digest,
        now_ms=now_ms,
        expires_ms=expires_ms,
    )


def find_permission(conn: Connection, permission_id: str) -> PermissionView | None:
    """Return a question, None when there is none of this id."""
    row = _FIND.row(conn, id=permission_id)
    return None if row is None else _view(row)


def open_permissions(conn: Connection, now_ms: int, limit: int = 100) -> Sequence[PermissionView]:
    """Return the questions that can be answered now, the most urgent first."""
    return [_view(row) for row in _LIST_OPEN.rows(conn, now_ms=now_ms, limit=limit)]


def permissions_of_run(conn: Connection, run_id: str, limit: int = 100) -> Sequence[PermissionView]:
    """Return what a run has asked, newest first."""
    return [_view(row) for row in _LIST_OF_RUN.rows(conn, run_id=run_id, limit=limit)]


def close_question(
    conn: Connection, permission_id: str, state: PermissionState, *, by: str | None, now_ms: int
) -> bool:
    """Note the answer of an open question; False when it was answered, or had expired, before."""
    return bool(_CLOSE.run(conn, id=permission_id, state=state.value, by=by, now_ms=now_ms))


def _view(row: Row) -> PermissionView:
    *question, state, asked_at, expires_at, answered_at, answered_by, lane, run_state = row
    permission_id, run_id, conversation_id, tool, subject = question
    return PermissionView(
        id=permission_id,
        run_id=run_id,
        conversation_id=conversation_id,
        tool=tool,
        subject=subject,
        state=PermissionState(state),
        asked_at=asked_at,
        expires_at=expires_at,
        answered_at=answered_at,
        answered_by=answered_by,
        lane=lane,
        run_state=RunState(run_state),
    )
