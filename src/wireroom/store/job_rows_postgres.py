"""The statements of the PostgreSQL job engine, on Procrastinate's tables.

A row's `args` carries `kind` and `ref`, `at` (enqueued, ms), `uncounted` (starts that were no failure),
`finished` (its effect is committed; only the row is left) and `error`. One claim of a row is named by
(id, attempts): every way back to `todo` raises `attempts`, so the pair is never used twice. The statements of
the worker are Procrastinate-style (`%(name)s`), those of a room's unit are SQLAlchemy's (`:name`).
"""

from __future__ import annotations

from sqlalchemy import text

TASK = "wireroom"
"""The one Procrastinate task; what to run is in the row's `args`."""

LOCK_INDEX = "procrastinate_jobs_lock_idx_v1"
DEDUPE_INDEX = "procrastinate_jobs_queueing_lock_idx_v1"

# What our statements need beside Procrastinate's own indexes.
INDEXES = """
CREATE INDEX ix_wireroom_jobs_ref ON procrastinate_jobs ((args->>'kind'), (args->>'ref'));
CREATE INDEX ix_wireroom_jobs_lock ON procrastinate_jobs (lock, priority DESC, id)
    WHERE status IN ('todo', 'doing');
CREATE INDEX ix_wireroom_jobs_next ON procrastinate_jobs (queue_name, priority DESC, id)
    WHERE status = 'todo';
CREATE INDEX ix_wireroom_jobs_due ON procrastinate_jobs (queue_name, scheduled_at)
    WHERE status = 'todo' AND scheduled_at IS NOT NULL;
CREATE INDEX ix_wireroom_jobs_doing ON procrastinate_jobs (id) WHERE status = 'doing';
"""

ENQUEUE = text(f"""
SELECT procrastinate_defer_jobs_v1(ARRAY[ROW(:queue, '{TASK}', :priority, :key, :dedupe,
    jsonb_build_object('kind', CAST(:kind AS text), 'ref', CAST(:ref AS text), 'at', CAST(:at AS bigint)),
    CAST(:run_at AS timestamptz))::procrastinate_job_to_defer_v1])
""")

# Rows that point at (kind, ref), locked so that what is decided about them stays true.
BY_REF = text("""
SELECT id, status::text AS status, queue_name, lock FROM procrastinate_jobs
WHERE args->>'kind' = :kind AND args->>'ref' = :ref ORDER BY id FOR UPDATE
""")

PENDING = text("""
SELECT EXISTS (SELECT 1 FROM procrastinate_jobs
    WHERE args->>'kind' = :kind AND args->>'ref' = :ref AND status IN ('todo', 'doing'))
""")

PENDING_REFS = text("""
SELECT args->>'ref' FROM procrastinate_jobs WHERE args->>'kind' = :kind AND status IN ('todo', 'doing')
""")

CANCEL = text("SELECT procrastinate_cancel_job_v1(:id, true, true)")

HASTEN = text("UPDATE procrastinate_jobs SET scheduled_at = NULL WHERE id = :id AND status = 'todo'")

# Nobody takes the job up before the unit has ended: those who recover skip what is locked.
CHECK_CLAIM = text("""
SELECT 1 FROM procrastinate_jobs
WHERE id = :id AND attempts = :attempts AND status = 'doing' AND NOT args ? 'finished' FOR NO KEY UPDATE
""")

FINISH_IN_UNIT = text("""
UPDATE procrastinate_jobs SET args = args || '{"finished": true}'
WHERE id = :id AND attempts = :attempts AND status = 'doing' AND NOT args ? 'finished'
""")

# A second job with the same queueing lock may have come to wait meanwhile; both then run, one without it.
_DEDUPE_IF_FREE = """CASE WHEN EXISTS (
    SELECT 1 FROM procrastinate_jobs AS other
    WHERE other.queueing_lock = jobs.queueing_lock AND other.status = 'todo')
    THEN NULL ELSE queueing_lock END"""

REVIVE = text(f"""
UPDATE procrastinate_jobs AS jobs SET status = 'todo', scheduled_at = NULL, attempts = attempts + 1,
    queueing_lock = {_DEDUPE_IF_FREE},
    args = (args - 'error') || jsonb_build_object('uncounted', attempts + 1)
WHERE args->>'kind' = :kind AND args->>'ref' = :ref AND status = 'failed'
RETURNING id, queue_name
""")

DISCARD = text("""
DELETE FROM procrastinate_jobs
WHERE args->>'kind' = :kind AND args->>'ref' = :ref AND status = 'failed'
""")

DISCARD_ALL = text("""
DELETE FROM procrastinate_jobs
WHERE args->>'kind' = :kind AND args->>'ref' = ANY(:refs) AND status = 'failed'
""")

NOTIFY = text("""
SELECT pg_notify('procrastinate_queue_v1#' || :queue,
    json_build_object('type', 'job_inserted', 'job_id', CAST(:id AS bigint))::text)
""")

COUNTS = text("""
SELECT queue_name, CASE status
    WHEN 'doing' THEN 'running' WHEN 'failed' THEN 'dead'
    ELSE CASE WHEN scheduled_at > now() THEN 'delayed' ELSE 'waiting' END END AS state, count(*)
FROM procrastinate_jobs WHERE status IN ('todo', 'doing', 'failed') GROUP BY 1, 2
""")

# A job without a time of its own is due since it was enqueued.
OLDEST_DUE = text("""
SELECT queue_name, min(coalesce(extract(epoch FROM scheduled_at) * 1000, CAST(args->>'at' AS bigint)))
FROM procrastinate_jobs WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
GROUP BY 1
""")

# What has or could have a slot: each key once, since its jobs run one at a time. Of those without a time of
# their own the first id is the oldest; only its row is read, which at 100,000 jobs is half of the time.
DEMAND = text("""
WITH keys AS (
    SELECT queue_name, lock, count(*) AS jobs, min(scheduled_at) AS due,
        min(id) FILTER (WHERE scheduled_at IS NULL) AS first
    FROM procrastinate_jobs AS waiting
    WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now())
        AND NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS busy WHERE busy.status = 'doing' AND busy.lock = waiting.lock)
    GROUP BY queue_name, lock),
sides AS (
    SELECT queue_name, 0 AS running, sum(CASE WHEN lock IS NULL THEN jobs ELSE 1 END) AS startable,
        extract(epoch FROM min(due)) * 1000 AS due_ms, min(first) AS first
    FROM keys GROUP BY 1
    UNION ALL
    SELECT queue_name, count(*), 0, NULL, NULL FROM procrastinate_jobs WHERE status = 'doing' GROUP BY 1)
SELECT queue_name, sum(running)::int, sum(startable)::int, least(
    min(due_ms), (SELECT CAST(args->>'at' AS bigint) FROM procrastinate_jobs WHERE id = min(sides.first)))
FROM sides GROUP BY 1
""")

# Claim up to `limit` jobs that are due, each the first due one of its lock. Unlike Procrastinate's own
# function, a delayed job does not hold up the later jobs of its lock.
FETCH = """
WITH candidate AS (
    SELECT jobs.id FROM procrastinate_jobs AS jobs
    WHERE jobs.status = 'todo' AND jobs.queue_name = %(queue)s
        AND (jobs.scheduled_at IS NULL OR jobs.scheduled_at <= now())
        AND jobs.args->>'kind' = ANY(%(kinds)s)
        AND (jobs.lock IS NULL OR NOT EXISTS (
            SELECT 1 FROM procrastinate_jobs AS other
            WHERE other.lock = jobs.lock AND other.status IN ('todo', 'doing')
                AND (other.status = 'doing' OR (
                    (other.scheduled_at IS NULL OR other.scheduled_at <= now())
                    AND (other.priority > jobs.priority
                        OR (other.priority = jobs.priority AND other.id < jobs.id))))))
    ORDER BY jobs.priority DESC, jobs.id LIMIT %(limit)s
    FOR UPDATE OF jobs SKIP LOCKED)
UPDATE procrastinate_jobs AS jobs SET status = 'doing', worker_id = %(worker_id)s
FROM candidate WHERE jobs.id = candidate.id
RETURNING jobs.id, jobs.status, task_name, priority, lock, queueing_lock, args, scheduled_at, queue_name,
    attempts, worker_id
"""

NEXT_DUE = """
SELECT extract(epoch FROM min(scheduled_at) - now())::float AS seconds FROM procrastinate_jobs
WHERE status = 'todo' AND queue_name = %(queue)s AND scheduled_at > now()
"""

# Tell whoever listens to the queue that a job of the lock just freed may start.
_NOTIFY_FREED = """
SELECT pg_notify('procrastinate_queue_v1#' || next.queue_name,
    json_build_object('type', 'job_inserted', 'job_id', next.id)::text)
FROM freed CROSS JOIN LATERAL (
    SELECT id, queue_name FROM procrastinate_jobs AS waiting
    WHERE waiting.lock = freed.lock AND waiting.status = 'todo'
    ORDER BY priority DESC, id LIMIT 1) AS next
"""

REMOVE = f"""
WITH freed AS (
    DELETE FROM procrastinate_jobs AS jobs
    USING unnest(%(ids)s::bigint[], %(attempts)s::int[]) AS done(id, attempts)
    WHERE jobs.id = done.id AND jobs.attempts = done.attempts AND jobs.status = 'doing'
    RETURNING jobs.id, jobs.lock)
{_NOTIFY_FREED}
"""

GIVE_BACK = f"""
WITH freed AS (
    UPDATE procrastinate_jobs AS jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = %(run_at)s,
        worker_id = NULL, abort_requested = false, queueing_lock = {_DEDUPE_IF_FREE},
        args = args || jsonb_strip_nulls(jsonb_build_object(
            'uncounted', coalesce((args->>'uncounted')::int, 0) + %(uncounted)s, 'error', %(error)s::text))
    WHERE id = %(id)s AND attempts = %(attempts)s AND status = 'doing' AND NOT args ? 'finished'
    RETURNING jobs.id, jobs.lock, jobs.queue_name)
{_NOTIFY_FREED}
UNION ALL
SELECT pg_notify('procrastinate_queue_v1#' || queue_name,
    json_build_object('type', 'job_inserted', 'job_id', id)::text) FROM freed
"""

BURY = f"""
WITH freed AS (
    UPDATE procrastinate_jobs AS jobs SET status = 'failed', worker_id = NULL, abort_requested = false,
        args = args || jsonb_build_object('error', %(error)s::text)
    WHERE id = %(id)s AND attempts = %(attempts)s AND status = 'doing' AND NOT args ? 'finished'
    RETURNING jobs.id, jobs.lock)
{_NOTIFY_FREED}
"""

# Keep the workers' rows alive, and bring back what another process pruned during a long pause.
BEAT = """
INSERT INTO procrastinate_workers (id, last_heartbeat) OVERRIDING SYSTEM VALUE
SELECT id, now() FROM unnest(%(worker_ids)s::bigint[]) AS id ORDER BY id
ON CONFLICT (id) DO UPDATE SET last_heartbeat = now()
"""

_STALLED = """
SELECT jobs.id FROM procrastinate_jobs AS jobs
LEFT JOIN procrastinate_workers AS workers ON workers.id = jobs.worker_id
WHERE jobs.status = 'doing'
    AND (workers.id IS NULL OR workers.last_heartbeat < now() - make_interval(secs => %(seconds)s))
ORDER BY jobs.id LIMIT 1 FOR UPDATE OF jobs SKIP LOCKED
"""

# Let one job wait again whose worker is gone: one at a time, since two may carry the same queueing lock.
RECOVER = f"""
WITH stalled AS ({_STALLED}), back AS (
    UPDATE procrastinate_jobs AS jobs SET status = 'todo', attempts = attempts + 1, scheduled_at = NULL,
        worker_id = NULL, abort_requested = false, queueing_lock = {_DEDUPE_IF_FREE}
    FROM stalled WHERE jobs.id = stalled.id AND NOT args ? 'finished'
    RETURNING jobs.id, jobs.queue_name)
SELECT id, pg_notify('procrastinate_queue_v1#' || queue_name,
    json_build_object('type', 'job_inserted', 'job_id', id)::text) FROM back
"""

# Remove what is only a row: the effect was committed and the process died before it could say so.
SWEEP_FINISHED = f"""
WITH freed AS (
    DELETE FROM procrastinate_jobs AS jobs USING procrastinate_jobs AS doing
    LEFT JOIN procrastinate_workers AS workers ON workers.id = doing.worker_id
    WHERE jobs.id = doing.id AND doing.status = 'doing' AND doing.args ? 'finished'
        AND (workers.id IS NULL OR workers.last_heartbeat < now() - make_interval(secs => %(seconds)s))
    RETURNING jobs.id, jobs.lock)
{_NOTIFY_FREED}
"""

# Claims of these workers; those that one of them does not know were taken up by nobody.
MINE = """
SELECT id, attempts, worker_id FROM procrastinate_jobs
WHERE status = 'doing' AND worker_id = ANY(%(worker_ids)s::bigint[])
"""
