"""Shapes: statements that differ in values alone are one."""

from __future__ import annotations

import pytest

from wireroom.perf.sql_shapes import LONGEST_CHARS, only_reads, scanned_tables, shape_of

SHAPES = {
    "named values": ("SELECT a FROM t WHERE id = :run_id", "SELECT a FROM t WHERE id = ?"),
    "values of PostgreSQL's driver": ("SELECT a FROM t WHERE id = %(id_1)s", "SELECT a FROM t WHERE id = ?"),
    "numbered values": (
        "SELECT a FROM t WHERE id = $1 AND x1 = 25",
        "SELECT a FROM t WHERE id = ? AND x1 = ?",
    ),
    "a cast": ("SELECT %(x)s::VARCHAR, b::int", "SELECT ?::VARCHAR, b::int"),
    "words of the program stay": ("SELECT 1 WHERE state = 'queued'", "SELECT ? WHERE state = 'queued'"),
    "what somebody said goes": ("SELECT 1 WHERE x = 'It''s my secret'", "SELECT ? WHERE x = ?"),
    "a list of any length": ("SELECT a FROM t WHERE id IN (?, ?,?)", "SELECT a FROM t WHERE id IN (…)"),
    "a list of one": ("SELECT a FROM t WHERE id IN (?)", "SELECT a FROM t WHERE id IN (…)"),
    "a list with casts": ("WHERE id IN (%(a_1)s::VARCHAR, %(a_2)s::VARCHAR)", "WHERE id IN (…)"),
    "rows to insert": ("INSERT INTO t VALUES (?, ?), (?, ?)", "INSERT INTO t VALUES (…)"),
    "white space and comments": ("SELECT a -- why\n  FROM /* which */ t", "SELECT a FROM t"),
}


@pytest.mark.parametrize(("sql", "shape"), SHAPES.values(), ids=SHAPES)
def test_shape_has_no_values(sql: str, shape: str) -> None:
    """The statement's words stay, in one line; its values, and how many there are, go."""
    assert shape_of(sql) == shape


def test_shape_has_a_longest() -> None:
    """A statement without end is cut, so that the memory for shapes is bounded."""
    assert len(shape_of("SELECT " + "column, " * LONGEST_CHARS)) == LONGEST_CHARS


@pytest.mark.parametrize(
    ("shape", "reads"),
    [
        ("SELECT a FROM t", True),
        ("WITH n AS (SELECT ?) SELECT a FROM n", True),
        ("WITH n AS (SELECT ?) INSERT INTO t SELECT a FROM n", False),
        ("UPDATE t SET a = ?", False),
        ("BEGIN", False),
    ],
)
def test_reads_are_told_from_writes(shape: str, reads: bool) -> None:
    """Only what changes no row is a read."""
    assert only_reads(shape) is reads


PLANS = {
    "SQLite walks a table": ("SCAN runs\nSEARCH jobs USING INDEX ix_a (a=?)", ("runs",)),
    "SQLite walks an index": ("SCAN runs USING COVERING INDEX ix_a", ()),
    "SQLite makes up a row": ("SCAN CONSTANT ROW", ()),
    "PostgreSQL walks a table": ("Limit\n  ->  Seq Scan on runs r  (cost=0.00..9)", ("runs",)),
    "PostgreSQL goes by an index": ("Index Scan using ix_a on runs", ()),
}


@pytest.mark.parametrize(("plan", "tables"), PLANS.values(), ids=PLANS)
def test_plan_tells_which_tables_are_walked(plan: str, tables: tuple[str, ...]) -> None:
    """Both databases' words for reading a whole table are understood."""
    assert scanned_tables(plan) == tables
