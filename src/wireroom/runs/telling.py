"""Tells those who wait for it how a run ended: the chat that asked, the caller, the task board."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from wireroom.callbacks.outbox import fill_callback
from wireroom.delivery import speaking
from wireroom.delivery.outbox import Button, fill_delivery
from wireroom.errors import NotFound
from wireroom.jobs.port import Jobs
from wireroom.runs.options import read_options
from wireroom.runs.queries import find_run
from wireroom.runs.result_body import result_body
from wireroom.runs.spoken_words import quoted
from wireroom.runs.states import RunState
from wireroom.store.statement import Statement

_OPEN_CALLBACK = Statement("SELECT 1 FROM callbacks WHERE run_id = :run_id AND state = 'waiting' LIMIT 1")
"""Whether a program waits to be called back."""

_SOURCE = Statement("""
    SELECT source, state, CASE WHEN options LIKE '%"recording"%' THEN options END,
        CASE WHEN options LIKE '%"recording"%' THEN prompt END
    FROM runs WHERE id = :run_id
""")
"""Who asked for the run, how it stands, and of a spoken request how it was understood."""

BOARD = "task"
"""The source of runs that the task board asked for."""
BOARD_QUEUE = "tasks"
BOARD_KIND = "task-turn"
"""The job that looks at the board; it reads from the runs' rows which of them have ended."""

AGENT = "agent"
"""The source of runs that an agent's prompt asked for."""
AGENT_QUEUE = "agent-calls"
AGENT_KIND = "agent-run-ended"
"""The job that takes the run's result to the agent's call."""


def tell_end(
    conn: Connection, jobs: Jobs, run_id: str, answer: str, buttons: Sequence[Button] = (), *, now_ms: int
) -> None:
    """Fill the chat's answer and the program's callback, and tell board and agents of their runs.

    Call it last in the unit that ends the run.

    Args:
        conn: The unit's connection; the run's row already says how it ended.
        jobs: Where delivery and callback are queued.
        run_id: The run.
        answer: What people read, as Markdown.
        buttons: What they may press below it.
        now_ms: The time.
    """
    source, state, options, prompt = _SOURCE.row(conn, run_id=run_id) or (None, None, None, None)
    recording = read_options(options).recording
    if recording is not None and recording.heard:
        answer = f"{quoted(prompt)}\n\n{answer}"
        if state == RunState.SUCCEEDED:
            jobs.enqueue(conn, queue=speaking.QUEUE, kind=speaking.KIND, ref=run_id)
    fill_delivery(conn, jobs, run_id, answer, tuple(buttons))
    if source == BOARD:
        jobs.enqueue(conn, queue=BOARD_QUEUE, kind=BOARD_KIND, ref="board", key=BOARD_KIND, dedupe=BOARD_KIND)
    elif source == AGENT:
        jobs.enqueue(conn, queue=AGENT_QUEUE, kind=AGENT_KIND, ref=run_id)
    if _OPEN_CALLBACK.value(conn, run_id=run_id) is None:
        return
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    fill_callback(conn, jobs, run_id, result_body(run), now_ms)
