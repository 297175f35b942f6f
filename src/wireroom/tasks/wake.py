"""The operator's job: one turn, however many reasons there are for it.

At most one turn waits, and one at a time runs, on however many workers: the job's dedupe and key say so.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from wireroom.jobs.port import Jobs
from wireroom.runs.telling import BOARD_KIND, BOARD_QUEUE
from wireroom.system_settings import is_on

KIND = BOARD_KIND
QUEUE = BOARD_QUEUE
SWITCH = "task_operator"
"""The setting that turns the operator on."""
_REF = "board"


def is_operator_on(conn: Connection) -> bool:
    """Tell whether the operator begins tasks."""
    return is_on(conn, SWITCH)


def wake_operator(conn: Connection, jobs: Jobs) -> None:
    """Have the board looked at once this unit is committed, if the operator is on."""
    if is_operator_on(conn):
        ask_for_turn(conn, jobs)


def ask_for_turn(conn: Connection, jobs: Jobs, at: datetime | None = None) -> bool:
    """Have the board looked at, now or then; False when that was asked for already."""
    # A turn that waits for its time must not stand for one that is due now.
    name = KIND if at is None else f"{KIND}:{at.isoformat(timespec='seconds')}"
    return jobs.enqueue(conn, queue=QUEUE, kind=KIND, ref=_REF, key=KIND, run_at=at, dedupe=name)
