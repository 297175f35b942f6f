"""The statements of the embedded job engine, on the driver's own connection, inside a unit of work.

Every statement names the index it must use (`INDEXED BY`), so that a change of the schema cannot turn one
into a scan unnoticed. States of a row: `waiting` (may be claimed), `behind` (a job of its key goes first),
`delayed` (its time has not come), `running`, `dead`. Writers may insert just `waiting`; the claim sorts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

# Add a job; nothing when one with this dedupe waits already.
_INSERT = """
INSERT INTO jobs (queue, kind, ref, key, priority, run_at, dedupe, state, enqueued_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING
"""

# Add jobs that are due, in the order of the list, which json_each walks; any number is one statement.
_INSERT_DUE = """
INSERT INTO jobs (queue, kind, ref, key, run_at, state, enqueued_at)
SELECT ?, ?, value ->> 0, value ->> 1, ?, 'waiting', ? FROM json_each(?)
"""

# The next jobs of a queue in their order. Kinds nobody handles are passed over and stay.
_CANDIDATES = """
SELECT priority, id, queue, kind, ref, key, run_at, attempts
FROM jobs INDEXED BY ix_jobs_claim
WHERE state = 'waiting' AND queue = ? AND kind IN ({kinds})
ORDER BY priority, id LIMIT ?
"""

_START = """
UPDATE jobs SET state = 'running', attempts = attempts + 1, epoch = start.value ->> 0, worker = ?,
    heartbeat_at = ?
FROM json_each(?) AS start WHERE jobs.id = start.value ->> 1
"""

_PUT_ASIDE = "UPDATE jobs SET state = ? WHERE id = ?"

# Let the next job of a key be claimed. More than one at a time does no harm: the claim sorts them again.
_RELEASE = """
UPDATE jobs SET state = 'waiting' WHERE id IN (
    SELECT (SELECT id FROM jobs AS next INDEXED BY ix_jobs_behind
            WHERE next.state = 'behind' AND next.key = ended.value ORDER BY next.priority, next.id LIMIT 1)
    FROM json_each(?) AS ended)
RETURNING queue
"""

# Let delayed jobs be claimed whose time has come, a bounded number at once.
_PROMOTE = """
UPDATE jobs SET state = 'waiting' WHERE id IN (
    SELECT id FROM jobs INDEXED BY ix_jobs_delayed
    WHERE state = 'delayed' AND run_at <= ? ORDER BY run_at LIMIT ?)
RETURNING queue
"""

_HASTEN = "UPDATE jobs SET state = 'waiting', run_at = ? WHERE id = ? AND state = 'delayed'"

_NEXT_DUE = """
SELECT run_at FROM jobs INDEXED BY ix_jobs_delayed
WHERE state = 'delayed' AND run_at IS NOT NULL ORDER BY run_at LIMIT 1
"""

_REMOVE = "DELETE FROM jobs WHERE id = ? AND epoch = ? AND state = 'running'"

# A second job with the same dedupe may have come to wait meanwhile; both then run, one without the name.
_DEDUPE_IF_FREE = """CASE
        WHEN dedupe IS NOT NULL AND EXISTS (
            SELECT 1 FROM jobs AS other INDEXED BY uq_jobs_dedupe
            WHERE other.dedupe IS NOT NULL AND other.state IN ('waiting', 'behind', 'delayed')
                AND other.dedupe = jobs.dedupe)
        THEN NULL ELSE dedupe END"""

_GIVE_BACK = f"""
UPDATE jobs SET state = ?, run_at = ?, attempts = attempts - ?, error = coalesce(?, error),
    worker = NULL, heartbeat_at = NULL, cancel_requested = 0, dedupe = {_DEDUPE_IF_FREE}
WHERE id = ? AND epoch = ? AND state = 'running'
"""

_REVIVE = f"""
UPDATE jobs SET state = 'waiting', run_at = ?, attempts = 0, error = NULL, dedupe = {_DEDUPE_IF_FREE}
WHERE id = ? AND state = 'dead'
"""

_BURY = """
UPDATE jobs SET state = 'dead', error = ?, worker = NULL, heartbeat_at = NULL, cancel_requested = 0
WHERE id = ? AND epoch = ? AND state = 'running'
"""

_BY_REF = """
SELECT id, state, key, epoch FROM jobs INDEXED BY ix_jobs_ref
WHERE kind = ? AND ref = ? ORDER BY id
"""

_DELETE_DEAD = """
DELETE FROM jobs INDEXED BY ix_jobs_ref
WHERE kind = ? AND ref IN (SELECT value FROM json_each(?)) AND state = 'dead'
"""

# Asked for by one process, noticed by the one that runs the job.
_CANCELS = """
SELECT epoch FROM jobs INDEXED BY ix_jobs_key WHERE state = 'running' AND cancel_requested = 1
"""

_RUNNING = "SELECT id, epoch, key FROM jobs INDEXED BY ix_jobs_key WHERE state = 'running'"

_BEAT = "UPDATE jobs INDEXED BY ix_jobs_key SET heartbeat_at = ? WHERE state = 'running'"

# The keys of jobs put behind another, one step of the index a key.
_KEYS_BEHIND = """
WITH RECURSIVE keys(key) AS (
    SELECT min(key) FROM jobs INDEXED BY ix_jobs_behind WHERE state = 'behind'
    UNION ALL
    SELECT (SELECT min(key) FROM jobs INDEXED BY ix_jobs_behind
            WHERE state = 'behind' AND key > keys.key)
    FROM keys WHERE keys.key IS NOT NULL)
SELECT key FROM keys WHERE key IS NOT NULL
"""

_COUNTS = """
SELECT queue, state, count(*) FROM jobs INDEXED BY ix_jobs_claim WHERE state = 'waiting' GROUP BY queue
UNION ALL
SELECT queue, state, count(*) FROM jobs INDEXED BY ix_jobs_behind WHERE state = 'behind' GROUP BY queue
UNION ALL
SELECT queue, CASE WHEN run_at <= ? THEN 'waiting' ELSE 'delayed' END AS due, count(*)
FROM jobs INDEXED BY ix_jobs_delayed WHERE state = 'delayed' GROUP BY queue, due
UNION ALL
SELECT queue, state, count(*) FROM jobs INDEXED BY ix_jobs_key WHERE state = 'running' GROUP BY queue
UNION ALL
SELECT queue, state, count(*) FROM jobs INDEXED BY ix_jobs_dead WHERE state = 'dead' GROUP BY queue
"""

_OLDEST_DUE = """
SELECT queue, min(run_at) FROM (
    SELECT queue, run_at FROM jobs INDEXED BY ix_jobs_claim WHERE state = 'waiting'
    UNION ALL SELECT queue, run_at FROM jobs INDEXED BY ix_jobs_behind WHERE state = 'behind'
    UNION ALL SELECT queue, run_at FROM jobs INDEXED BY ix_jobs_delayed
        WHERE state = 'delayed' AND run_at <= ?
) GROUP BY queue
"""


# Jobs that are put behind another add nothing: that other one stands for their key.
_DEMAND = """
WITH busy AS MATERIALIZED (SELECT key FROM jobs INDEXED BY ix_jobs_key WHERE state = 'running'),
due AS (
    SELECT queue, key, run_at FROM jobs INDEXED BY ix_jobs_claim WHERE state = 'waiting'
    UNION ALL SELECT queue, key, run_at FROM jobs INDEXED BY ix_jobs_delayed
        WHERE state = 'delayed' AND run_at <= ?)
SELECT queue, sum(running), sum(startable), min(oldest) FROM (
    SELECT queue, 0 AS running, count(*) - count(key) + count(DISTINCT key) AS startable,
        min(run_at) AS oldest
    FROM due WHERE key IS NULL OR key NOT IN (SELECT key FROM busy WHERE key IS NOT NULL) GROUP BY queue
    UNION ALL
    SELECT queue, count(*), 0, NULL FROM jobs INDEXED BY ix_jobs_key WHERE state = 'running' GROUP BY queue
) GROUP BY queue
"""


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()


class Claim(NamedTuple):
    """The name of one start of a job: the row and the epoch that fences it."""

    id: int
    epoch: int


class Found(NamedTuple):
    """A row that points at a (kind, ref)."""

    id: int
    state: str
    key: str | None
    epoch: int


def insert(
    raw: Any,
    *,
    queue: str,
    kind: str,
    ref: str,
    key: str | None,
    priority: int,
    run_at_ms: int,
    dedupe: str | None,
    now_ms: int,
) -> bool:
    """Add a job; False when one with this `dedupe` waits already."""
    state = "waiting" if run_at_ms <= now_ms else "delayed"
    values = (queue, kind, ref, key, priority, run_at_ms, dedupe, state, now_ms)
    return bool(raw.run(_INSERT, values))


def insert_due(
    raw: Any, jobs: Iterable[tuple[str, str | None]], *, queue: str, kind: str, now_ms: int
) -> None:
    """Add jobs, as (ref, key), that may be claimed at once."""
    raw.run(_INSERT_DUE, (queue, kind, now_ms, now_ms, _json(list(jobs))))


def candidates_of(kinds: int) -> str:
    """Return the candidate statement for a number of handled kinds."""
    return _CANDIDATES.format(kinds=", ".join("?" * kinds))


def start(raw: Any, starts: Iterable[tuple[int, int]], worker: str, now_ms: int) -> None:
    """Mark rows as running; `starts` are (epoch, id)."""
    if pairs := list(starts):
        raw.run(_START, (worker, now_ms, _json(pairs)))


def put_aside(raw: Any, state: str, ids: Sequence[int]) -> None:
    """Take rows out of the claim index: `behind` or `delayed`."""
    if ids:
        raw.executemany(_PUT_ASIDE, [(state, row_id) for row_id in ids])


def release(raw: Any, keys: Iterable[str]) -> set[str]:
    """Let the next job of each key be claimed; return the queues that these are in."""
    if listed := list(keys):
        return {queue for (queue,) in raw.rows(_RELEASE, (_json(listed),))}
    return set()


def promote_due(raw: Any, now_ms: int, limit: int) -> set[str]:
    """Let delayed jobs be claimed whose time has come, at most `limit`, those due first before others.

    Returns:
        The queues that these are in.
    """
    return {queue for (queue,) in raw.rows(_PROMOTE, (now_ms, limit))}


def next_due_ms(raw: Any) -> int | None:
    """Return when the earliest delayed job is due."""
    row = raw.row(_NEXT_DUE)
    return None if row is None else int(row[0])


def remove(raw: Any, claims: Iterable[Claim]) -> int:
    """Delete finished jobs; return how many still belonged to their claim."""
    return int(raw.executemany(_REMOVE, claims).rowcount)


def remove_one(raw: Any, claim: Claim) -> bool:
    """Delete a finished job; False when it no longer belongs to the claim."""
    return bool(raw.run(_REMOVE, claim))


def give_back(
    raw: Any, claim: Claim, *, run_at_ms: int, now_ms: int, counted: bool, error: str | None = None
) -> None:
    """Let a running job wait again; an uncounted start is taken off its attempts."""
    state = "waiting" if run_at_ms <= now_ms else "delayed"
    raw.run(_GIVE_BACK, (state, run_at_ms, 0 if counted else 1, error, *claim))


def bury(raw: Any, claim: Claim, error: str) -> None:
    """Keep a running job as a dead letter."""
    raw.execute(_BURY, (error, *claim))


def by_ref(raw: Any, kind: str, ref: str) -> list[Found]:
    """Return every row that points at (kind, ref), oldest first."""
    return [Found(*row) for row in raw.execute(_BY_REF, (kind, ref))]


def pending_refs(raw: Any, kind: str) -> set[str]:
    """Return what the jobs of this kind point at that wait or run."""
    return {ref for (ref,) in raw.execute("SELECT ref FROM jobs WHERE kind = ? AND state <> 'dead'", (kind,))}


def delete(raw: Any, row_id: int) -> None:
    """Delete a row that is not running."""
    raw.execute("DELETE FROM jobs WHERE id = ?", (row_id,))


def delete_dead(raw: Any, kind: str, refs: Sequence[str]) -> None:
    """Delete the dead rows that point at one of these."""
    raw.execute(_DELETE_DEAD, (kind, _json(list(refs))))


def hasten(raw: Any, row_id: int, now_ms: int) -> None:
    """Make a delayed job due now; a job that waits for its turn keeps its place."""
    raw.execute(_HASTEN, (now_ms, row_id))


def request_cancel(raw: Any, row_id: int) -> None:
    """Ask whoever runs the job to stop it."""
    raw.execute("UPDATE jobs SET cancel_requested = 1 WHERE id = ?", (row_id,))


def revive(raw: Any, row_id: int, now_ms: int) -> None:
    """Let a dead job wait again, with all its attempts."""
    raw.execute(_REVIVE, (now_ms, row_id))


def cancelled_epochs(raw: Any) -> list[int]:
    """Return the claims that somebody asked to stop."""
    return [int(epoch) for (epoch,) in raw.execute(_CANCELS)]


def running(raw: Any) -> list[tuple[Claim, str | None]]:
    """Return every running claim with its key."""
    return [(Claim(row_id, epoch), key) for row_id, epoch, key in raw.execute(_RUNNING)]


def beat(raw: Any, now_ms: int) -> None:
    """Say of every running job that its process is alive."""
    raw.execute(_BEAT, (now_ms,))


def keys_behind(raw: Any) -> list[str]:
    """Return the keys that have jobs put behind another."""
    return [key for (key,) in raw.execute(_KEYS_BEHIND)]


def counts(raw: Any, now_ms: int) -> list[tuple[str, str, int]]:
    """Return (queue, state, count); `behind` and overdue `delayed` rows count as they will be reported."""
    return [(queue, state, int(count)) for queue, state, count in raw.execute(_COUNTS, (now_ms,))]


def oldest_due(raw: Any, now_ms: int) -> dict[str, int]:
    """Return, by queue, since when the job that waits longest is due, ms."""
    return {queue: int(due_ms) for queue, due_ms in raw.execute(_OLDEST_DUE, (now_ms,))}


def demand(raw: Any, now_ms: int) -> list[tuple[str, int, int, int | None]]:
    """Return (queue, running, startable, since when the oldest startable is due in ms)."""
    return [
        (queue, int(runs), int(may), due_ms) for queue, runs, may, due_ms in raw.execute(_DEMAND, (now_ms,))
    ]


def requeue_all(raw: Any, now_ms: int) -> int:
    """Let everything wait again that a dead process left running or put behind; return the highest epoch."""
    left = [claim for claim, _ in running(raw)]
    for claim in left:
        give_back(raw, claim, run_at_ms=now_ms, now_ms=now_ms, counted=True)
    release(raw, keys_behind(raw))
    return max((claim.epoch for claim in left), default=0)
