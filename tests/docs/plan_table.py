"""Makes the table of plans in docs/performance/database.md; run it as a program to write the page anew."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection

sys.path.append(str(Path(__file__).parents[1]))

from hot_queries import HOT, STATEMENTS, plan_on_sqlite, sent_by, values_of
from wireroom.store import job_rows
from wireroom.store.migrate import ensure_schema
from wireroom.store.sqlite import engine_for
from wireroom.store.watched import plan_of

PAGE = Path(__file__).parents[2] / "docs" / "performance" / "database.md"
BLOCK = re.compile(r"(<!-- made: plans -->\n).*?(<!-- end -->)", re.DOTALL)
SHOWN = {
    "intake.accept._LAST_RECEIPT": "the last update of a lane, before one is stored",
    "store.job_rows.CANDIDATES": "the jobs that may start",
    "store.job_rows._RELEASE": "the next job of a key",
    "intake.accept._TAKE_UPDATE": "the update of a job",
    "intake.people._ROLE_OF": "who may talk",
    "conversations.threads._CURRENT": "a chat's conversation",
    "conversations.threads._RECENT": "what was said last",
    "runs.statements.LOAD": "the run of a job",
    "runs.statements.OPEN_ATTEMPTS": "attempts that a crash left",
    "runs.events.read_events": "a run's log from a cursor on",
    "delivery.outgoing._LOAD": "the delivery of a job",
    "delivery.outgoing._LOAD_PARTS": "its parts",
    "callbacks.inbox._FIND": "what a remote runner reported",
    "agents.statements.TAKE_CALL": "the next call of a queue",
    "agents.statements.OVERDUE": "agents that are due",
    "tasks.rows.CANDIDATES": "the next task of the board",
    "runs.summaries.list_summaries": "the list of runs",
    "runs.summaries.list_summaries, of a state": "those of a state",
    "conversations.listing.page_of_conversations": "the list of conversations",
    "delivery.queries.list_deliveries": "dead letters",
    "tasks.listing.list_tasks": "the list of tasks",
}
"""What people wait for most, in the order of a message's way."""


def table() -> str:
    """Return one row a query: what it finds, its name, what SQLite finds it by."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "empty.sqlite3"
        ensure_schema(f"sqlite:///{path}")
        engine = engine_for(path, synchronous="OFF")
        with engine.connect() as conn:
            lines = [f"| {what} | `{name}` | {_found_by(conn, name)} |" for name, what in SHOWN.items()]
        engine.dispose()
    return "\n".join(["| Finds | Query | By |", "|---|---|---|", *lines, ""])


def _found_by(conn: Connection, name: str) -> str:
    """Return the indexes of its plan, each once, as a plan names them."""
    plan = "\n".join(_plans(conn, name))
    found = re.findall(r"USING (?:COVERING )?INDEX (\w+)|USING (?:INTEGER )?(PRIMARY KEY)", plan)
    named = [f"`{index}`" if index else "primary key" for index, _ in found]
    return ", ".join(dict.fromkeys(re.sub(r"`sqlite_autoindex_\w+`", "unique key", one) for one in named))


def _plans(conn: Connection, name: str) -> list[str]:
    if name in HOT:
        return [plan_on_sqlite(conn, sql) for sql in sent_by(conn, HOT[name])]
    if name in STATEMENTS:
        return [STATEMENTS[name].plan(conn, **values_of(STATEMENTS[name]))]
    raw = conn.connection.driver_connection
    sql = job_rows.candidates_of(3) if name.endswith("CANDIDATES") else job_rows._RELEASE
    return [plan_of(raw, sql)]


def remade(page: str) -> str:
    """Return the page with the table as the code has it."""
    return BLOCK.sub(lambda block: block[1] + table() + block[2], page)


if __name__ == "__main__":
    PAGE.write_text(remade(PAGE.read_text()))
