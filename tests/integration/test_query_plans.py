"""Every hot statement finds its rows by an index, on both databases, with ten thousand rows in place."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

import wireroom
from wireroom.conversations import summaries as conversation_lists
from wireroom.conversations import threads
from wireroom.delivery import outbox, outgoing
from wireroom.delivery import queries as delivery_lists
from wireroom.intake import accept, people
from wireroom.runs import events, queries
from wireroom.runs import summaries as run_lists
from wireroom.store.database import driver
from wireroom.store.sqlite import engine_for
from wireroom.store.statement import Statement
from wireroom.testing.postgres_server import PostgresServer

ROWS = 10_000
LANE = "telegram:1:5:0"
WALK = re.compile(r"SCAN (?!CONSTANT|system_settings USING INDEX)(?!\w+ USING INDEX ix_\w+_dead)")
PARAMETER = re.compile(r"(?<!:):(\w+)")

FILL = """
INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at, handled_at)
    SELECT 1, n, 'message', 'telegram:1:' || (n % 100) || ':0', CASE WHEN n > 9000 THEN 'x' END,
        CASE WHEN n % 1000 = 0 THEN 'dead' ELSE 'done' END, n, n FROM n;
INSERT INTO people (bot_id, user_id, name, role, created_at) SELECT 1, n, 'x', 'member', n FROM n;
INSERT INTO access_codes (digest, purpose, created_at, expires_at) SELECT 'd' || n, 'login', n, n FROM n;
INSERT INTO page_sessions (digest, created_at, expires_at) SELECT 'd' || n, n, n FROM n;
INSERT INTO conversations
        (id, channel, lane, is_current, title, workdir, message_count, created_at, active_at)
    SELECT 'c' || n, 'telegram', 'telegram:1:' || (n % 100) || ':0', CASE WHEN n <= 100 THEN 1 ELSE 0 END,
        'x', '/w', 1, n, n FROM n;
INSERT INTO messages (conversation_id, seq, role, content, created_at)
    SELECT 'c' || n, 1, 'user', 'x', n FROM n;
INSERT INTO runs (id, request_id, conversation_id, lane, source, source_message_id, prompt, backend, workdir,
        state, epoch, interruptions, event_count, queued_at)
    SELECT 'r' || n, 'q' || n, 'c' || n, 'telegram:1:' || (n % 100) || ':0', 'telegram', n, 'x', 'demo', '/w',
        CASE WHEN n % 1000 = 0 THEN 'queued' ELSE 'succeeded' END, 1, 0, 1, n FROM n;
INSERT INTO run_attempts (run_id, epoch, worker, state, started_at, lease_until)
    SELECT 'r' || n, 1, 'w', CASE WHEN n % 1000 = 0 THEN 'running' ELSE 'succeeded' END, n, n FROM n;
INSERT INTO run_events (run_id, seq, created_at, kind, payload)
    SELECT 'r' || n, 1, n, 'text', '{"text": "x"}' FROM n;
INSERT INTO deliveries (run_id, lane, bot_id, chat_id, state, opening, attempts, created_at)
    SELECT 'r' || n, 'telegram:1:' || (n % 100) || ':0', 1, n % 100,
        CASE WHEN n % 1000 = 0 THEN 'dead' ELSE 'sent' END, 'x', 0, n FROM n;
INSERT INTO delivery_parts (delivery_id, seq, kind, state, message_id, updated_at)
    SELECT id, 0, 'text', 'sent', id, 0 FROM deliveries;
INSERT INTO jobs (queue, kind, ref, key, run_at, state, enqueued_at)
    SELECT 'q', 'run', 'r' || n, 'k' || n, n, CASE WHEN n % 2 = 0 THEN 'waiting' ELSE 'dead' END, n FROM n;
"""
NUMBERS = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) "

UNITS: dict[str, Callable[[Connection], object]] = {
    "find_run": lambda conn: queries.find_run(conn, "r5"),
    "unfinished_runs": lambda conn: queries.unfinished_runs(conn, LANE),
    "recent_runs": lambda conn: queries.recent_runs(conn, lane=LANE),
    "run_of_message": lambda conn: queries.run_of_message(conn, LANE, 5),
    "reword_waiting": lambda conn: queries.reword_waiting(conn, "r5", "x"),
    "run summaries of a lane": lambda conn: run_lists.list_summaries(
        conn, lane=LANE, state=None, limit=5, offset=0
    ),
    "run summaries of a state": lambda conn: run_lists.list_summaries(
        conn, lane=None, state="failed", limit=5, offset=0
    ),
    "count_runs of a lane": lambda conn: run_lists.count_runs(conn, lane=LANE, state=None),
    "read_events": lambda conn: events.read_events(conn, "r5"),
    "text_so_far": lambda conn: events.text_so_far(conn, "r5"),
    "list_conversations": lambda conn: conversation_lists.list_conversations(conn, LANE, limit=5, offset=0),
    "count_conversations": lambda conn: conversation_lists.count_conversations(conn, LANE),
    "current_summary": lambda conn: conversation_lists.current_summary(conn, LANE),
    "summary_of": lambda conn: conversation_lists.summary_of(conn, "c5"),
    "list_deliveries of a state": lambda conn: delivery_lists.list_deliveries(conn, state="dead"),
    "count_deliveries of a state": lambda conn: delivery_lists.count_deliveries(conn, state="dead"),
    "recipient_of_run": lambda conn: delivery_lists.recipient_of_run(conn, "r5"),
    "discard_delivery": lambda conn: outbox.discard_delivery(conn, 5),
    "note_failure": lambda conn: outgoing.note_failure(conn, 5, "x"),
    "dead_updates": lambda conn: accept.dead_updates(conn, 5),
    "clear_payloads": lambda conn: accept.clear_payloads(conn, 9500),
    "next_offset": lambda conn: accept.next_offset(conn, 1),
    "role_of": lambda conn: people.role_of(conn, 1, 5),
    "use_code": lambda conn: people.use_code(conn, "login", "x", 5),
    "stored_text": lambda conn: people.stored_text(conn, 5, "other lane"),
    "find_current": lambda conn: threads.find_current(conn, LANE),
}
"""What people and programs wait for; each is run for real and every statement of it is explained."""


def _statements() -> Iterator[tuple[str, Statement]]:
    """Find every `Statement` of the package, so that a new one is looked at without being listed."""
    for module in pkgutil.walk_packages(wireroom.__path__, "wireroom."):
        if ".migrations." in module.name or module.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Statement):
                yield f"{module.name.removeprefix('wireroom.')}.{name}", value


STATEMENTS = dict(_statements())


@pytest.fixture(scope="module")
def sqlite(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Lend a full SQLite file, without statistics, as an installation has none."""
    path = tmp_path_factory.mktemp("plans") / "full.sqlite3"
    path.write_bytes(migrated_file.read_bytes())
    engine = engine_for(path, synchronous="NORMAL")
    with engine.connect() as conn:
        _fill(conn)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def postgresql(postgres: PostgresServer) -> Iterator[Engine]:
    """Lend a full PostgreSQL database with statistics, on which a scan is the last resort."""
    with postgres.database() as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        with engine.begin() as conn:
            _fill(conn)
            conn.execute(text("ANALYZE"))
        yield engine
        engine.dispose()


def _fill(conn: Connection) -> None:
    for statement in FILL.split(";")[:-1]:
        sql = _with_numbers(statement.strip())
        conn.exec_driver_sql(sql if conn.dialect.name == "sqlite" else sql.replace("%", "%%"))


def _with_numbers(statement: str) -> str:
    if " FROM n" not in statement:
        return statement
    head, select = re.split(r"(?=\bSELECT\b)", statement, maxsplit=1)
    return f"{head}{NUMBERS}{select}"


def _sqlite_scans(conn: Connection, sql: str) -> list[str]:
    """Return the lines of the plan that walk a table or a whole index; one of dead letters only is short."""
    rows = driver(conn).execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
    return [row[3] for row in rows if WALK.match(row[3])]


def _postgres_scans(conn: Connection, sql: str, values: dict[str, str]) -> list[str]:
    """Return the lines of the plan that walk a table even though scans are the last resort."""
    conn.execute(text("SET LOCAL enable_seqscan = off"))
    rows = conn.execute(text(f"EXPLAIN {sql}"), values).scalars()
    return [line for line in rows if "Seq Scan" in line]


def _values(statement: Statement) -> dict[str, str]:
    return dict.fromkeys(PARAMETER.findall(statement._sql), "1")


def test_the_hot_statements_are_found() -> None:
    """The search sees the statements of every room."""
    assert {name.partition(".")[0] for name in STATEMENTS} >= {"intake", "conversations", "runs", "delivery"}
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("name", STATEMENTS)
def test_hot_statement_uses_an_index_on_sqlite(sqlite: Engine, name: str) -> None:
    """No hot statement walks a table, or sorts what an index could give in order."""
    statement = STATEMENTS[name]
    with sqlite.connect() as conn:
        plan = statement.plan(conn, **_values(statement))

    assert not [line for line in plan.splitlines() if WALK.match(line) or "TEMP B-TREE" in line]


@pytest.mark.postgres
@pytest.mark.parametrize("name", STATEMENTS)
def test_hot_statement_can_use_an_index_on_postgresql(postgresql: Engine, name: str) -> None:
    """No hot statement needs a sequential scan."""
    statement = STATEMENTS[name]
    with postgresql.connect() as conn:
        assert _postgres_scans(conn, statement._sql, _values(statement)) == []


@pytest.mark.parametrize("name", UNITS)
def test_what_people_wait_for_uses_an_index_on_sqlite(sqlite: Engine, name: str) -> None:
    """No list, look-up or press of a button walks a table."""
    with sqlite.connect() as conn:
        sent = _sent_by(conn, UNITS[name])
        scans = [line for sql in sent for line in _sqlite_scans(conn, sql)]

    assert sent
    assert scans == []


def _sent_by(conn: Connection, unit: Callable[[Connection], object]) -> list[str]:
    """Run the unit, undo it, and return the statements that it sent, with their values in place."""
    sent: list[str] = []
    raw = driver(conn)
    raw.execute("BEGIN")
    raw.set_trace_callback(sent.append)
    unit(conn)
    raw.set_trace_callback(None)
    raw.execute("ROLLBACK")
    return sent
