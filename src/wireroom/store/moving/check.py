"""Looks a database over: its pages, its references, and what must be true between rows.

Read on one snapshot, so that a service may go on meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wireroom.store.moving.job_table import JOB_TABLE
from wireroom.store.moving.side import Side

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be."""

    what: str
    """What is wrong, with the first rows that it is about."""
    mend: str
    """What to do."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something that is true of every database of ours between two commits."""

    broken: str
    """What a row that breaks it is, in the plural."""
    sql: str
    """Yields the ids of such rows; `{jobs}` stands for the jobs."""
    mend: str


_RESTART = "restart the service, which takes up what lies about; if it stays, "
_NO_JOB = (
    "NOT EXISTS (SELECT 1 FROM {{jobs}} WHERE kind = '{kind}' AND is_dead = 0"
    " AND ref = CAST({table}.{id} AS TEXT))"
)


def _without_job(table: str, where: str, kind: str) -> str:
    return f"SELECT id FROM {table} WHERE {where} AND " + _NO_JOB.format(kind=kind, table=table, id="id")


RULES = (
    Rule(
        "updates that came in and that no job will handle",
        _without_job("updates", "state = 'received'", "update"),
        "restore a backup, or ask the people of these chats to write again",
    ),
    Rule(
        "runs that are not over and that no job will take up",
        _without_job("runs", "state IN ('queued', 'running')", "run"),
        _RESTART + "cancel them with `wireroom runs cancel` and ask again",
    ),
    Rule(
        "runs that work, but without an attempt that does",
        "SELECT id FROM runs WHERE state = 'running' AND NOT EXISTS (SELECT 1 FROM run_attempts"
        " WHERE run_id = runs.id AND run_attempts.state = 'running')",
        _RESTART + "cancel them with `wireroom runs cancel`",
    ),
    Rule(
        "attempts that work on runs that are over",
        "SELECT run_id FROM run_attempts WHERE state = 'running' AND EXISTS (SELECT 1 FROM runs"
        " WHERE runs.id = run_id AND runs.state NOT IN ('queued', 'running'))",
        _RESTART + "report it",
    ),
    Rule(
        "answers that are not sent and that no job will send",
        _without_job("deliveries", "state = 'pending'", "deliver"),
        "restore a backup, or read the answers with `wireroom deliveries list` and `wireroom runs show`",
    ),
    Rule(
        "callbacks that are not sent and that no job will send",
        _without_job("callbacks", "state IN ('pending', 'sending')", "callback"),
        "restore a backup, or tell their receivers to ask for the runs' results",
    ),
    Rule(
        "jobs for updates that are not there",
        "SELECT id FROM {jobs} WHERE kind = 'update' AND NOT EXISTS (SELECT 1 FROM updates"
        " WHERE CAST(updates.id AS TEXT) = ref)",
        "report it; they do nothing",
    ),
    Rule(
        "jobs for answers that are not there",
        "SELECT id FROM {jobs} WHERE kind = 'deliver' AND NOT EXISTS (SELECT 1 FROM deliveries"
        " WHERE CAST(deliveries.id AS TEXT) = ref)",
        "report it; they do nothing",
    ),
    Rule(
        "tasks at work whose run is not there",
        "SELECT task_id FROM task_details WHERE run_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = run_id)",
        _RESTART + "say `wireroom tasks retry`",
    ),
)


def look_over(side: Side) -> list[Finding]:
    """Return everything that is wrong; nothing when all is well."""
    with side.snapshot():
        return [*_standing(side), *_damage(side), *_broken_rules(side)]


def _standing(side: Side) -> Iterator[Finding]:
    target, source = side.moved_to(), side.filled_from()
    if target is not None:
        yield Finding(f"Its data has moved to {target}", "use that one, or `wireroom db reopen`")
    if source is not None:
        yield Finding(f"A copy from {source} is not finished", "run the same `wireroom db copy` again")


def _damage(side: Side) -> Iterator[Finding]:
    for one in side.damage():
        yield Finding(one, "stop the service, keep a copy of what is there, and restore a backup")


def _broken_rules(side: Side) -> Iterator[Finding]:
    jobs = side.relation(JOB_TABLE)
    for rule in RULES:
        found = [str(row[0]) for row in side.rows(rule.sql.format(jobs=jobs) + f" LIMIT {_SHOWN + 1}")]
        if found:
            more = " and more" if len(found) > _SHOWN else ""
            yield Finding(f"There are {rule.broken}: {', '.join(found[:_SHOWN])}{more}", rule.mend)
