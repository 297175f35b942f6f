"""What a program's request means whose id is known: the same run, joined, with the callback it asks for.

A caller that repeats a request after a lost answer, or that waits in one call and asks to be called back in
another, speaks of one run. Who says something else under the id is refused.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from wireroom.callbacks.outbox import fill_callback, open_callback
from wireroom.callbacks.target import read_target
from wireroom.errors import NotFound
from wireroom.jobs.port import Jobs
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.result_body import result_body
from wireroom.runs.states import RunMode
from wireroom.store.schema import callbacks, runs


def other_wishes(
    run: RunView,
    *,
    prompt: str,
    mode: RunMode,
    backend: str | None,
    conversation_id: str | None,
    options: RunOptions,
) -> list[str]:
    """Return the names of the fields in which a request differs from the run of its id. Pure.

    A coding agent or a conversation that is not named is whatever the run has.
    """
    pairs = {
        "prompt": (prompt, run.prompt),
        "mode": (mode, run.mode),
        "backend": (backend or run.backend, run.backend),
        "conversationId": (conversation_id or run.conversation_id, run.conversation_id),
        "repository": (options.repository, run.options.repository),
        "worktree": (options.worktree, run.options.worktree),
    }
    return [name for name, (wanted, stored) in pairs.items() if wanted != stored]


def promise_callback(
    conn: Connection, jobs: Jobs, run_id: str, url: str, now_ms: int, *, elevenlabs: bool
) -> None:
    """Promise a callback of a known run, once for each address; that of an ended run is sent at once.

    Raises:
        BadInput: the address cannot be meant.
    """
    # Locked: a run that ends meanwhile on PostgreSQL either sees the callback, or is seen to have ended.
    conn.execute(select(runs.c.id).where(runs.c.id == run_id).with_for_update()).scalar_one_or_none()
    same = select(callbacks.c.id).where(callbacks.c.run_id == run_id, callbacks.c.url == read_target(url).url)
    if conn.execute(same.limit(1)).first() is not None:
        return
    if open_callback(conn, run_id, url, now_ms, elevenlabs=elevenlabs) is None:
        return
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    if run.state.is_final:
        fill_callback(conn, jobs, run_id, result_body(run), now_ms)
