"""What changed, told by stamps: one line of sums for each topic that is another one after each change.

A stamp says only *that* something changed; what, its reader asks of the lists. So nothing is kept between
two looks, a reader that was away misses nothing, and other programs' changes of the board are seen too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from wireroom.errors import BadInput
from wireroom.store.statement import Statement

Stamps = Mapping[str, str]
"""By topic."""

_STAMP_CHARS = 12
_ACTS = Statement("SELECT max(id) FROM audit")
"""What people did: of calls that are over, a purge or a discard moves no other sum."""
_CALLS = (
    Statement(
        "SELECT count(*), max(id), sum(paused), sum(revision), max(updated_at), sum(next_at) FROM agents"
    ),
    Statement(
        "SELECT count(*), sum(id), sum(attempts), sum(due_at), sum(started_at) FROM agent_calls "
        "WHERE state IN ('waiting', 'running')"
    ),
    Statement("SELECT max(finished_at) FROM agent_calls WHERE finished_at IS NOT NULL"),
    Statement("SELECT max(id) FROM agent_calls"),
    _ACTS,
)
_DEAD_TASKS = Statement("SELECT count(*), sum(task_id) FROM task_details WHERE is_dead = 1")
_LOOKS: Mapping[str, tuple[Statement, ...]] = MappingProxyType(
    {
        "tasks": (
            # Times are stored in two forms, with a T or a space in the middle.
            Statement(
                'SELECT count(*), max(id), sum(status), sum(id * status), sum("order"), sum(id * "order"), '
                "max(replace(updatedat, 'T', ' ')), sum(length(prompt)) FROM tasks"
            ),
            Statement(
                "SELECT count(*), max(updated_at), sum(epoch), sum(failures), sum(is_dead) FROM task_details"
            ),
            Statement("SELECT count(*), sum(task_id * 31 + needs_id) FROM task_dependencies"),
        ),
        "runs": (
            Statement(
                "SELECT count(*), sum(queued_at), sum(epoch), sum(started_at), sum(cancel_requested_at) "
                "FROM runs WHERE state IN ('queued', 'running')"
            ),
            Statement("SELECT max(queued_at) FROM runs"),
        ),
        "agents": _CALLS,
        "queues": (
            *_CALLS,
            Statement("SELECT count(*), sum(paused), sum(concurrency), sum(created_at) FROM queues"),
        ),
        "dead": (
            Statement("SELECT count(*), sum(id) FROM updates WHERE state = 'dead'"),
            Statement("SELECT count(*), sum(id) FROM deliveries WHERE state = 'dead'"),
            Statement("SELECT count(*), sum(id) FROM callbacks WHERE state = 'dead'"),
            _DEAD_TASKS,
            Statement("SELECT count(*), sum(id) FROM agent_calls WHERE state = 'dead'"),
        ),
        "settings": (Statement("SELECT name, value FROM system_settings ORDER BY name"),),
        "people": (
            _ACTS,
            Statement("SELECT count(*), max(created_at), sum(expires_at) FROM page_sessions"),
            Statement("SELECT id, name, role FROM people ORDER BY id"),
        ),
    }
)
TOPICS = frozenset(_LOOKS)


def read_stamps(conn: Connection, topics: Iterable[str]) -> Stamps:
    """Return how the topics stand in this snapshot."""
    return {topic: _digest([look.rows(conn) for look in _LOOKS[topic]]) for topic in topics}


def changed(before: Stamps, now: Stamps) -> list[str]:
    """Return the topics whose stamp is not the one that the reader knows, sorted."""
    return sorted(topic for topic, stamp in now.items() if before.get(topic) != stamp)


def to_cursor(stamps: Stamps) -> str:
    """Return what a reader gives back to go on."""
    return base64.urlsafe_b64encode(json.dumps(dict(stamps)).encode()).decode().rstrip("=")


def from_cursor(text: str) -> Stamps:
    """Return what the reader knows.

    Raises:
        BadInput: it is not a cursor of ours.
    """
    try:
        known = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise BadInput("This cursor is none that Wireroom gave.") from error
    if not isinstance(known, dict):
        raise BadInput("This cursor is none that Wireroom gave.")
    return {str(topic): str(stamp) for topic, stamp in known.items()}


def _digest(rows: object) -> str:
    return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()[:_STAMP_CHARS]
