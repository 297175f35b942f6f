"""The prepared statements of calls and agents, each with the sentence of what it is for."""

from __future__ import annotations

from sqlalchemy import bindparam, text

from wireroom.store.statement import Statement

MAKE_QUEUE = Statement("""
    INSERT INTO queues (name, created_at) VALUES (:name, :now_ms) ON CONFLICT (name) DO NOTHING
""")
"""Make a queue on its first use."""

ROOM = Statement("""
    SELECT CASE WHEN q.paused = 1 THEN 0 ELSE coalesce(q.concurrency, :concurrency) - (
               SELECT count(*) FROM agent_calls
               WHERE state = 'running' AND catch_up IN (0, 1) AND queue = q.name) END,
           EXISTS (SELECT 1 FROM agent_calls WHERE state = 'waiting' AND queue = q.name
                       AND catch_up = 0 AND due_at <= :now_ms),
           EXISTS (SELECT 1 FROM agent_calls WHERE state = 'waiting' AND queue = q.name
                       AND catch_up = 1 AND due_at <= :now_ms)
    FROM queues AS q WHERE q.name = :name
""")
"""What admission asks of a queue: its free places, and whether calls, and calls for missed slots, wait."""

QUEUES_OF_AGENT = Statement("""
    SELECT queue FROM agent_calls WHERE agent_id = :agent_id AND state IN ('waiting', 'running')
""")
"""The queues that an agent's open calls are in."""

ADD_CALL = Statement("""
    INSERT INTO agent_calls (agent_id, agent_name, queue, action, slot_at, due_at, state, reason, catch_up,
                             alone, again, idempotency_key, request, retry, created_at, started_at)
    VALUES (:agent_id, :agent_name, :queue, :action, :slot_at, :due_at, :state, :reason, :catch_up,
            :alone, :again, :idempotency_key, :request, :retry, :now_ms, :started_at)
    ON CONFLICT DO NOTHING
    RETURNING id
""")
"""Add a call; nothing for a slot that is decided, or an idempotency key that is known."""

NOTE_SKIP = Statement("""
    INSERT INTO agent_calls (agent_id, agent_name, queue, action, slot_at, slot_until, slots, due_at, state,
                             reason, created_at, finished_at)
    VALUES (:agent_id, :agent_name, :queue, :action, :first, :last, :slots, :first, 'skipped',
            :reason, :now_ms, :now_ms)
    ON CONFLICT DO NOTHING
""")
"""Write down slots that are not run."""

COUNT_CATCH_UPS = Statement("SELECT count(*) FROM agent_calls WHERE state = 'running' AND catch_up = 1")
"""How many calls for missed slots are made at this moment."""

TAKE_CALL = Statement("""
    UPDATE agent_calls SET state = 'running', started_at = :now_ms
    WHERE state = 'waiting' AND id = (
        SELECT c.id FROM agent_calls AS c
        WHERE c.state = 'waiting' AND c.queue = :queue AND c.catch_up = :catch_up AND c.due_at <= :now_ms
            AND (c.alone = 0 OR NOT EXISTS (
                SELECT 1 FROM agent_calls AS other
                WHERE other.agent_id = c.agent_id AND other.state = 'running'
                    AND other.state IN ('waiting', 'running')))
        ORDER BY c.due_at, c.id LIMIT 1)
    RETURNING id, agent_id, agent_name, queue, action, request, retry, attempts, again, catch_up, alone,
        created_at, run_id
""")
"""Admit the next call and return what `LOAD_CALL` would.

The doubled condition on the state is what lets the index of open calls serve it.
"""

LOAD_CALL = Statement("""
    SELECT id, agent_id, agent_name, queue, action, request, retry, attempts, again, catch_up, alone,
           created_at, run_id
    FROM agent_calls WHERE id = :id AND state = 'running'
""")
"""What a worker needs of a call; nothing once it is over."""

END_CALL = Statement("""
    UPDATE agent_calls SET state = :state, attempts = :attempts, status_code = :status_code,
        duration_ms = :duration_ms, error = :error, response_head = :response_head, finished_at = :now_ms,
        request = CASE WHEN :keeps_request = 1 THEN request ELSE NULL END
    WHERE id = :id AND state = 'running'
""")
"""Close a call; what was to be sent is kept only for one that may be tried again."""

PUT_BACK = Statement("""
    UPDATE agent_calls SET state = 'waiting', due_at = :due_ms, attempts = :attempts,
        status_code = :status_code, duration_ms = :duration_ms, error = :error,
        response_head = :response_head, run_id = NULL
    WHERE id = :id AND state = 'running'
""")
"""Note why a try failed and when the next one is."""

DEAD_CALLS = text("""
    SELECT id, queue FROM agent_calls WHERE id IN :ids AND state = 'dead' AND request IS NOT NULL
""").bindparams(bindparam("ids", expanding=True))
"""Which of these calls may wait again, and in which queues."""

REVIVE_CALLS = text("""
    UPDATE agent_calls SET state = 'waiting', due_at = :now_ms, attempts = 0, finished_at = NULL,
        run_id = NULL, catch_up = 0
    WHERE id IN :ids AND state = 'dead' AND request IS NOT NULL
    RETURNING id
""").bindparams(bindparam("ids", expanding=True))
"""Let dead calls wait again."""

NOTE_RUN = Statement("UPDATE agent_calls SET run_id = :run_id WHERE id = :id AND state = 'running'")
"""Note which run works on a prompt."""

CALL_OF_RUN = Statement("SELECT id FROM agent_calls WHERE run_id = :run_id AND state = 'running'")
"""The call that waits for a run."""

ENDED_RUNS = Statement("""
    SELECT r.id FROM agent_calls AS c JOIN runs AS r ON r.id = c.run_id
    WHERE c.state = 'running' AND c.run_id IS NOT NULL AND r.finished_at IS NOT NULL
""")
"""Runs that have ended while their calls still wait for them."""

SAVE_ONE_TIME = Statement("""
    INSERT INTO agents (name, action, request, queue, timezone, overlap, missed, retry, created_at,
                        updated_at)
    VALUES (:name, :action, :request, :queue, :timezone, :overlap, :missed, :retry, :now_ms, :now_ms)
    ON CONFLICT (name) DO UPDATE SET request = excluded.request, queue = excluded.queue,
        timezone = excluded.timezone, overlap = excluded.overlap, missed = excluded.missed,
        retry = excluded.retry, updated_at = excluded.updated_at, revision = agents.revision + 1
    WHERE agents.schedule IS NULL AND agents.action = excluded.action
    RETURNING id
""")
"""Make a one-time agent or bring it up to date; nothing when the name is a scheduled or another kind's."""

FIND_AGENT = Statement("""
    SELECT id, name, action, request, queue, schedule, timezone, overlap, missed, retry, paused, revision,
           next_at, created_at, updated_at
    FROM agents WHERE name = :name
""")
"""An agent by its name."""

FIND_AGENT_BY_ID = Statement("""
    SELECT id, name, action, request, queue, schedule, timezone, overlap, missed, retry, paused, revision,
           next_at, created_at, updated_at
    FROM agents WHERE id = :id
""")
"""An agent by its number."""

ADD_AGENT = Statement("""
    INSERT INTO agents (name, action, request, queue, schedule, timezone, overlap, missed, retry, next_at,
                        created_at, updated_at)
    VALUES (:name, :action, :request, :queue, :schedule, :timezone, :overlap, :missed, :retry, :next_at,
            :now_ms, :now_ms)
    ON CONFLICT (name) DO NOTHING
    RETURNING id
""")
"""Add an agent."""

CHANGE_AGENT = Statement("""
    UPDATE agents SET name = :name, request = :request, queue = :queue, schedule = :schedule,
        timezone = :timezone, overlap = :overlap, missed = :missed, retry = :retry, next_at = :next_at,
        updated_at = :now_ms, revision = revision + 1
    WHERE id = :id
""")
"""Bring an agent up to date."""

PAUSE_AGENT = Statement("""
    UPDATE agents SET paused = :paused, next_at = :next_at, updated_at = :now_ms, revision = revision + 1
    WHERE id = :id
""")
"""Let a schedule rest or go on."""

MOVE_ON = Statement("""
    UPDATE agents SET next_at = :next_at WHERE id = :id AND revision = :revision AND next_at = :decided_at
""")
"""Move a schedule past the slots that were decided; nothing when somebody else has."""

DELETE_AGENT = Statement("DELETE FROM agents WHERE id = :id")
"""Remove an agent; its history stays."""

CANCEL_CALLS = Statement("""
    UPDATE agent_calls SET state = 'cancelled', reason = :reason, request = NULL, finished_at = :now_ms
    WHERE agent_id = :agent_id AND state IN ('waiting', 'running')
    RETURNING id, queue, action, run_id
""")
"""Take back all that an agent still has to do."""

COUNT_OPEN = Statement("""
    SELECT count(*) FROM agent_calls WHERE agent_id = :agent_id AND state IN ('waiting', 'running')
""")
"""How many calls of an agent are not over."""

OVERDUE = Statement("""
    SELECT id, revision FROM agents
    WHERE paused = 0 AND next_at IS NOT NULL AND next_at < :before_ms ORDER BY next_at LIMIT 1000
""")
"""Agents whose time has come a while ago."""

CALL_OF_KEY = Statement("SELECT id FROM agent_calls WHERE idempotency_key = :key")
"""The call that a caller's idempotency key stands for."""

DROP_QUEUE_IF_UNUSED = Statement("""
    DELETE FROM queues
    WHERE name = :name AND name <> 'default' AND kept = 0 AND paused = 0
        AND NOT EXISTS (SELECT 1 FROM agents WHERE queue = :name)
        AND NOT EXISTS (SELECT 1 FROM agent_calls WHERE queue = :name AND state = 'waiting')
        AND NOT EXISTS (SELECT 1 FROM agent_calls WHERE queue = :name AND state = 'running')
""")
"""Remove a queue that was made on first use and that nothing needs any more."""
