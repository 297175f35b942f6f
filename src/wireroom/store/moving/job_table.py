"""Jobs in the one shape that both engines' rows are read in and made from.

A job that waits, is put behind another, is delayed or runs is a job that is not dead and has its time: which
of these it is, each engine finds out by itself. What runs will be run again, as after a crash, and that start
counts. A second job of a name waits without the name.
"""

from __future__ import annotations

from wireroom.store.job_rows_postgres import TASK
from wireroom.store.moving.tables import JOBS, Column, Kind, Table

JOB_TABLE = Table(
    JOBS,
    (
        Column("id", Kind.INTEGER, required=True),
        Column("queue", Kind.TEXT, required=True),
        Column("kind", Kind.TEXT, required=True),
        Column("ref", Kind.TEXT, required=True),
        Column("key", Kind.TEXT),
        Column("priority", Kind.INTEGER, required=True),
        Column("run_at", Kind.INTEGER, required=True),
        Column("dedupe", Kind.TEXT),
        Column("is_dead", Kind.INTEGER, required=True),
        Column("attempts", Kind.INTEGER, required=True),
        Column("error", Kind.TEXT),
        Column("enqueued_at", Kind.INTEGER, required=True),
    ),
    ("id",),
)

SQLITE_JOBS = """(
SELECT id, queue, kind, ref, key, priority, run_at,
    CASE WHEN state = 'running' AND EXISTS (
        SELECT 1 FROM jobs AS other WHERE other.dedupe = mine.dedupe AND other.id <> mine.id
            AND (other.state IN ('waiting', 'behind', 'delayed')
                OR (other.state = 'running' AND other.id < mine.id)))
        THEN NULL ELSE dedupe END AS dedupe,
    CASE WHEN state = 'dead' THEN 1 ELSE 0 END AS is_dead, attempts, error, enqueued_at
FROM jobs AS mine) AS jobs"""

SQLITE_INSERT = """
INSERT INTO jobs (id, queue, kind, ref, key, priority, run_at, dedupe, state, attempts, error, enqueued_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, CASE ? WHEN 1 THEN 'dead' ELSE 'waiting' END, ?, ?, ?)
"""

# A row marked as finished stands for nothing any more: its effect is committed.
POSTGRES_JOBS = f"""(
SELECT id, queue_name::text AS queue, args->>'kind' AS kind, args->>'ref' AS ref, lock AS key,
    -priority AS priority,
    coalesce((extract(epoch FROM scheduled_at) * 1000)::bigint, (args->>'at')::bigint) AS run_at,
    CASE WHEN status = 'doing' AND EXISTS (
        SELECT 1 FROM procrastinate_jobs AS other WHERE other.queueing_lock = mine.queueing_lock
            AND other.id <> mine.id
            AND (other.status = 'todo' OR (other.status = 'doing' AND other.id < mine.id)))
        THEN NULL ELSE queueing_lock END AS dedupe,
    (status = 'failed')::int AS is_dead,
    attempts + (status = 'doing')::int - coalesce((args->>'uncounted')::int, 0) AS attempts,
    args->>'error' AS error, (args->>'at')::bigint AS enqueued_at
FROM procrastinate_jobs AS mine
WHERE task_name = '{TASK}' AND status IN ('todo', 'doing', 'failed')
    AND NOT (status = 'doing' AND jsonb_exists(args, 'finished'))) AS jobs"""

POSTGRES_WAITING_ROOM = """
CREATE TEMP TABLE IF NOT EXISTS wireroom_moving_jobs (
    id bigint, queue text, kind text, ref text, key text, priority integer, run_at bigint, dedupe text,
    is_dead integer, attempts integer, error text, enqueued_at bigint) ON COMMIT DELETE ROWS
"""

POSTGRES_INSERT = f"""
INSERT INTO procrastinate_jobs
    (id, queue_name, task_name, priority, lock, queueing_lock, args, status, scheduled_at, attempts)
SELECT id, queue, '{TASK}', -priority, key, dedupe,
    jsonb_strip_nulls(jsonb_build_object('kind', kind, 'ref', ref, 'at', enqueued_at, 'error', error)),
    (CASE is_dead WHEN 1 THEN 'failed' ELSE 'todo' END)::procrastinate_job_status,
    timestamptz 'epoch' + run_at * interval '1 millisecond', attempts
FROM wireroom_moving_jobs
"""
