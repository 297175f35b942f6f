"""The prepared statements of `runs.records`, each with the sentence of what it is for."""

from __future__ import annotations

from wireroom.store.statement import Statement

CREATE = Statement("""
    INSERT INTO runs (id, request_id, conversation_id, lane, source, source_message_id, prompt, backend,
                      workdir, mode, options, joined_run_id, state, epoch, interruptions, event_count,
                      queued_at)
    VALUES (:id, :request_id, :conversation_id, :lane, :source, :source_message_id, :prompt, :backend,
            :workdir, :mode, :options, :joined_run_id, 'queued', 0, 0, 0, :now_ms)
    ON CONFLICT DO NOTHING
""")
"""Store a request; no row when its request id is known, even to a unit that has only just committed."""

LOAD = Statement("""
    SELECT state, epoch, conversation_id, lane, backend, workdir, interruptions, queued_at, started_at,
           cancel_requested_at, mode,
           CASE WHEN (state = 'queued' AND epoch = 0 AND options LIKE '%"recording"%')
                OR options LIKE '%"given"%' THEN options END
    FROM runs WHERE id = :run_id
""")
"""What the moves of a run look at."""

BEGIN = Statement("""
    UPDATE runs SET epoch = :epoch, state = 'running', reason = NULL, event_count = event_count + 1,
        started_at = COALESCE(started_at, :now_ms)
    WHERE id = :run_id AND epoch = :epoch - 1 AND state IN ('queued', 'running')
    RETURNING event_count, prompt, mode, options, report
""")
"""Begin the next attempt, with the number of its first event; the prompt is read here, where nobody can
reword it any more."""

BEGIN_ATTEMPT = Statement("""
    INSERT INTO run_attempts (run_id, epoch, worker, state, started_at, lease_until, errand)
    VALUES (:run_id, :epoch, :worker, 'running', :now_ms, :until_ms,
            (SELECT errand FROM run_attempts WHERE run_id = :run_id AND epoch = :epoch - 1))
""")
"""Add the attempt's own row; what a runner elsewhere may be at is passed on to it."""

OPEN_ATTEMPTS = Statement("""
    SELECT epoch, pid, pid_started FROM run_attempts WHERE run_id = :run_id AND state = 'running'
""")
"""Attempts that never ended."""

CLOSE_OPEN = Statement("""
    UPDATE run_attempts SET state = 'interrupted', reason = 'The service went down.', finished_at = :now_ms
    WHERE run_id = :run_id AND state = 'running'
""")
"""Close what a crash left open."""

INTERRUPTED = Statement("UPDATE runs SET interruptions = interruptions + :times WHERE id = :run_id")
"""Count what a crash cut off."""

CLOSE_ATTEMPT = Statement("""
    UPDATE run_attempts SET state = :state, reason = :reason, exit_code = :exit_code, finished_at = :now_ms
    WHERE run_id = :run_id AND epoch = :epoch
""")
"""Note how an attempt ended."""

NOTE_PROCESS = Statement("""
    UPDATE run_attempts SET pid = :pid, pid_started = :ticks WHERE run_id = :run_id AND epoch = :epoch
""")
"""Note the attempt's process."""

NOTE_ERRAND = Statement("""
    UPDATE run_attempts SET errand = COALESCE(errand, :errand)
    WHERE run_id = :run_id AND epoch = :epoch AND state = 'running'
    RETURNING errand
""")
"""Note what a runner elsewhere is about to be given, unless an earlier attempt's errand is still open."""

CLOSE_ERRAND = Statement("""
    UPDATE run_attempts SET errand = NULL WHERE run_id = :run_id AND epoch = :epoch AND errand IS NOT NULL
""")
"""Forget the errand whose end is stored."""

RENEW = Statement("""
    UPDATE run_attempts SET lease_until = :until_ms
    WHERE run_id = :run_id AND epoch = :epoch AND state = 'running'
""")
"""Extend a lease."""

FINISH = Statement("""
    UPDATE runs SET state = :state, reason = :reason, output = :output, error = :error,
        exit_code = :exit_code, usage = :usage, report = COALESCE(:report, report), finished_at = :now_ms
    WHERE id = :run_id
""")
"""Note how a run ended."""

REPORT = Statement("SELECT report FROM runs WHERE id = :run_id")
"""What has been noted of a run while it worked."""

REQUEUE = Statement("""
    UPDATE runs SET state = 'queued', interruptions = interruptions + 1 WHERE id = :run_id
""")
"""Let a run wait for the next start."""
