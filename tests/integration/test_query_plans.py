"""Every hot statement finds its rows by an index, on both databases, with ten thousand rows in place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, text

from hot_queries import STATEMENTS, values_of
from wireroom.store.sqlite import engine_for
from wireroom.testing.postgres_server import PostgresServer

ROWS = 10_000
WALK = re.compile(
    r"SCAN (?!CONSTANT|system_settings USING INDEX)(?!\w+ USING (?:COVERING )?INDEX ix_\w+_dead)"
)
"""A scan that is none: of a handful of rows, or of a partial index of what is dead."""
SORTS_A_FEW = frozenset({"callbacks.pending_states._OPEN", "digest.gather._CALLS"})
"""What may sort: the unfinished runs, of which there are few; once a day the agents that have called."""

FILL = """
INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at, handled_at)
    SELECT 1, n, 'message', 'telegram:1:' || (n % 100) || ':0', CASE WHEN n > 9000 THEN 'x' END,
        CASE WHEN n % 1000 = 0 THEN 'dead' ELSE 'done' END, n, n FROM n;
INSERT INTO people (bot_id, user_id, name, role, created_at) SELECT 1, n, 'x', 'member', n FROM n;
INSERT INTO access_codes (digest, purpose, created_at, expires_at) SELECT 'd' || n, 'login', n, n FROM n;
INSERT INTO page_sessions (digest, id, role, browser, created_at, seen_at, expires_at)
    SELECT 'd' || n, 'i' || n, 'owner', '', n, n, n FROM n;
INSERT INTO page_accounts (name, password_hash, role, created_at, changed_at)
    SELECT 'a' || n, 'x', 'viewer', n, n FROM n;
INSERT INTO audit (created_at, who, action, subject) SELECT n, 'w' || (n % 9), 'a' || (n % 99), 'x' FROM n;
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


def _postgres_scans(conn: Connection, sql: str, values: dict[str, str]) -> list[str]:
    """Return the lines of the plan that walk a table even though scans are the last resort."""
    conn.execute(text("SET LOCAL enable_seqscan = off"))
    rows = conn.execute(text(f"EXPLAIN {sql}"), values).scalars()
    return [line for line in rows if "Seq Scan" in line]


def test_the_hot_statements_are_found() -> None:
    """The search sees the statements of every room."""
    assert {name.partition(".")[0] for name in STATEMENTS} >= {"intake", "conversations", "runs", "delivery"}
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("name", STATEMENTS)
def test_hot_statement_uses_an_index_on_sqlite(sqlite: Engine, name: str) -> None:
    """No hot statement walks a table, or sorts what an index could give in order."""
    statement = STATEMENTS[name]
    with sqlite.connect() as conn:
        plan = statement.plan(conn, **values_of(statement))

    assert not [line for line in plan.splitlines() if WALK.match(line)]
    assert name in SORTS_A_FEW or "TEMP B-TREE" not in plan


@pytest.mark.postgres
@pytest.mark.parametrize("name", STATEMENTS)
def test_hot_statement_can_use_an_index_on_postgresql(postgresql: Engine, name: str) -> None:
    """No hot statement needs a sequential scan."""
    statement = STATEMENTS[name]
    with postgresql.connect() as conn:
        assert _postgres_scans(conn, statement._sql, values_of(statement)) == []
