"""One suite for both databases: what is told of statements, pools, and who uses them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, literal, select, text
from structlog.testing import capture_logs

from contract.job_engines import make_worker
from wireroom.jobs.port import Done, Job, Outcome
from wireroom.perf.evidence import RepeatedStatement, StatementFigures
from wireroom.perf.pools import pool_figures, report_held
from wireroom.perf.sql import Mark, mark, statement_statistics
from wireroom.perf.sql_scope import STATEMENTS_OF_WORK, Scope, tell_of_repetitions
from wireroom.perf.sql_slow import DEFAULT_SLOW_MS, forget_slow, set_slow_limit
from wireroom.store.database import Unit
from wireroom.store.plans import look_up_plans
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.schema import audit
from wireroom.store.sqlite import SqliteDatabase
from wireroom.store.statement import Statement
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
AnyDatabase = SqliteDatabase | PostgresDatabase
OPERATIONS = 200
ROWS = 40
"""Read one by one: so many that some fall into one second on a machine that stands still at times."""
LIMIT = 5

_NOTE = Statement("INSERT INTO audit (created_at, who, action, subject) VALUES (1, 'test', 'note', :subject)")
_SUBJECT = Statement("SELECT action FROM audit WHERE subject = :subject")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def db(request: pytest.FixtureRequest) -> AsyncIterator[AnyDatabase]:
    """Lend each kind of database in turn, with two connections to read by."""
    if request.param == "sqlite":
        database: AnyDatabase = SqliteDatabase(request.getfixturevalue("database_path"), readers=2)
        yield database
        await database.close()
        return
    with request.getfixturevalue("postgres").database() as url:
        database = PostgresDatabase(url, pool_size=1, max_overflow=1, acquire_seconds=30)
        yield database
        await database.close()


@pytest.fixture
def everything_is_slow() -> Iterator[None]:
    """Have any statement be slow, and none be logged already."""
    forget_slow()
    set_slow_limit(0.000_001)
    yield
    set_slow_limit(DEFAULT_SLOW_MS)


def _look(conn: Connection) -> object:
    return _SUBJECT.rows(conn, subject="what nobody may read in a log")


def _look_for_each(conn: Connection) -> None:
    for _ in range(ROWS):
        _look(conn)


def _of(shape_part: str, since: Mark) -> StatementFigures:
    [found] = [one for one in statement_statistics(since) if shape_part in one.shape]
    return found


async def test_statements_are_counted_by_shape_with_their_place(db: AnyDatabase) -> None:
    """Prepared statements and SQLAlchemy's are noted alike: calls, time, rows read, and the place."""
    since = mark()
    await db.write(lambda conn: _NOTE.run(conn, subject="a"))
    await db.write(lambda conn: _NOTE.run_many(conn, [{"subject": "b"}, {"subject": "c"}]))
    for _ in range(3):
        await db.read(_look)
    await db.read(lambda conn: conn.execute(select(audit.c.who).where(audit.c.id == 1)).all())

    assert _of("INSERT INTO audit", since).calls == 2
    looked = _of("SELECT action FROM audit WHERE subject = ?", since)
    assert looked.calls == 3
    assert 0 < looked.p95_seconds <= looked.slowest_seconds <= looked.total_seconds
    assert looked.place.endswith(" _look")
    assert _of("SELECT audit.who", since).rows == 1


async def test_slow_statement_is_logged_with_its_plan_and_without_its_values(
    db: AnyDatabase, everything_is_slow: None
) -> None:
    """One line a shape and minute: what, how long, where, the plan, and which tables it walks."""
    with capture_logs() as logs:
        await db.read(_look)
        await db.read(_look)

        def lines() -> list[Any]:
            return [
                one for one in logs if one["event"] == "slow_statement" and "subject" in str(one["shape"])
            ]

        await eventually(lambda: bool(lines()), "the plan was looked up")

    [line] = lines()
    assert str(line["place"]).endswith(" _look")
    assert line["scans"] == ["audit"]
    assert "audit" in str(line["plan"])
    assert "nobody" not in str(logs)


async def test_plans_are_looked_up_on_demand(db: AnyDatabase) -> None:
    """A report asks for the plans of what it shows; the figures carry them from then on."""
    since = mark()
    await db.read(_look)
    shape = _of("SELECT action FROM audit", since).shape

    await look_up_plans(db, [shape])

    found = _of("SELECT action FROM audit", since)
    assert found.scans == ("audit",)
    assert "audit" in found.plan


async def test_statement_that_cannot_be_explained_has_no_plan(db: AnyDatabase) -> None:
    """A plan is extra: nothing fails for want of it."""
    since = mark()
    with pytest.raises(Exception, match="no_such_table"):
        await db.read(lambda conn: conn.exec_driver_sql("SELECT 1 FROM no_such_table"))
    await db.read(lambda conn: conn.execute(select(literal("x"))).all())
    shapes = [one.shape for one in statement_statistics(since)]

    await look_up_plans(db, shapes)

    assert {one.scans for one in statement_statistics(since)} == {()}


async def test_scope_counts_what_is_sent_for_it(db: AnyDatabase) -> None:
    """Reads and writes of the current task count, whichever thread sends them; others' do not."""
    with Scope("request", "GET /things") as scope:
        await db.write(lambda conn: _NOTE.run(conn, subject="a"))
        await asyncio.gather(db.read(_look), db.read(_look))
    await db.read(_look)

    assert scope.statements == 3


async def test_one_read_a_row_is_found_where_it_is_said(db: AnyDatabase) -> None:
    """The same read again and again in one unit is reported with our line, not the store's."""
    found: list[RepeatedStatement] = []
    with tell_of_repetitions(found.append, at_least=LIMIT), Scope("request", "GET /things"):
        await db.read(_look_for_each)

    [one] = found
    assert (one.within, one.most_times >= LIMIT) == ("GET /things", True)
    assert one.place.endswith(" _look")
    assert one.place.startswith("contract/test_store_figures.py:")


async def test_one_read_a_row_is_found_over_units(db: AnyDatabase) -> None:
    """A unit for each row is no better than a statement for each row."""
    found: list[RepeatedStatement] = []
    with tell_of_repetitions(found.append, at_least=LIMIT), Scope("job", "run"):
        for _ in range(ROWS):
            await db.read(_look)

    assert [(one.within, one.most_times >= LIMIT) for one in found] == [("run", True)]


async def test_statements_and_jobs_of_the_engine_are_noted(db: AnyDatabase) -> None:
    """Claims go by statements, too, whoever's connection they take; each job is one piece of work."""
    since, of_one = mark(), sum(STATEMENTS_OF_WORK["job"])
    jobs, worker = make_worker(db)
    handled = asyncio.Event()

    async def handle(job: Job) -> Outcome:
        await db.read(_look)
        handled.set()
        return Done()

    running = asyncio.create_task(worker.run({"note": handle}))
    await db.write(lambda conn: jobs.enqueue(conn, queue="work", kind="note", ref="1"))
    await asyncio.wait_for(handled.wait(), 30)
    await worker.drain(timedelta(seconds=5))
    await running

    table = "jobs" if db.dialect == "sqlite" else "procrastinate_jobs"
    assert {one.calls > 0 for one in statement_statistics(since) if table in one.shape} == {True}
    assert sum(STATEMENTS_OF_WORK["job"]) == of_one + 1


async def test_operations_do_not_open_connections(db: AnyDatabase) -> None:
    """However many units there are, at once and one after another, the connections are those of the pool."""
    for _ in range(10):
        units: list[Unit[object]] = [_look] * (OPERATIONS // 20)
        await asyncio.gather(
            *(db.read(unit) for unit in units),
            *(db.write(lambda conn: _NOTE.run(conn, subject="a")) for _ in units),
        )

    # On SQLite the writer has one of its own; on PostgreSQL that of overflow may be opened again and again.
    most = 3 if db.dialect == "sqlite" else OPERATIONS // 4
    assert 1 <= db.pool.connects <= most
    assert db.pool.figures().acquired >= OPERATIONS // 2


async def test_caller_waits_for_a_connection_and_is_counted(db: AnyDatabase) -> None:
    """With both connections in use a third caller waits; the figures say so, and how long it took."""

    async def caller(unit: Unit[object]) -> None:
        await db.read(unit)

    with _both_connections_held(db) as hold:
        holding = [asyncio.create_task(caller(hold)) for _ in range(2)]
        await eventually(lambda: db.pool.figures().in_use == 2, "both connections are in use")
        third = asyncio.create_task(db.read(_look))
        await eventually(lambda: db.pool.figures().waited == 1, "the third waits")
        [first, _] = report_held(0.0)
    await asyncio.gather(third, *holding)

    figures = db.pool.figures()
    assert (figures.in_use, figures.waited, figures.acquired, figures.leaked) == (0, 1, 3, 2)
    assert figures.total_seconds > 0
    assert figures in pool_figures()
    assert first.stack[0].endswith(".caller")


@contextmanager
def _both_connections_held(db: AnyDatabase) -> Iterator[Unit[object]]:
    """Lend a unit that keeps its connection until the block ends."""
    if isinstance(db, SqliteDatabase):
        go_on = threading.Event()
        yield lambda _: go_on.wait(30)
        go_on.set()
        return
    with psycopg.connect(db.url) as outside:
        outside.execute("SELECT pg_advisory_xact_lock(42)")
        yield lambda conn: conn.execute(text("SELECT pg_advisory_xact_lock_shared(42)"))
