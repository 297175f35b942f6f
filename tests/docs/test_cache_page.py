"""The page about the cache says what is declared, and every statement that writes kept rows tells of it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from wireroom.cache.changes import TAG_OF_TABLE
from wireroom.cache.names import NAMES, Cached, Source

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "performance" / "cache.md"
SOURCES = ROOT / "src" / "wireroom"
_TAKES_IT_BACK = {("api/health.py", "page_sessions")}
"""Writes a row and removes it in the same unit, so that nobody ever sees a change."""


def _time(ttl: timedelta) -> str:
    seconds = int(ttl.total_seconds())
    for size, word in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            return f"{seconds // size} {word}{'' if seconds == size else 's'}"
    raise AssertionError(ttl)


def _row(what: Cached) -> str:
    where = " → ".join(("memory", *what.lower))
    cells = (f"`{what.name}`", what.holds, what.source, where, _time(what.ttl), what.ends)
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("what", NAMES, ids=[what.name for what in NAMES])
def test_page_has_a_row_for_each_name(what: Cached) -> None:
    """What is kept, where, for how long and what ends it is what the code declares."""
    assert _row(what) in PAGE.read_text().splitlines()


def test_page_has_no_other_row() -> None:
    """A name that is no longer kept has gone from the page."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(what.name for what in NAMES)


def test_every_source_is_explained() -> None:
    """The page says what each kind of origin means for how long a value may be kept."""
    text = PAGE.read_text()
    assert [source for source in Source if f"**{source}**" not in text] == []


@pytest.mark.parametrize("table", TAG_OF_TABLE)
def test_whoever_writes_kept_rows_tells_of_it(table: str) -> None:
    """A file with a statement that writes such a table names the change that it tells."""
    plain = rf"(INSERT INTO|UPDATE|DELETE FROM) {table}\b"
    built = rf"\b(insert|update|delete)\({table}\)|_delete\(conn, {table}\."
    writes, word = re.compile(f"{plain}|{built}"), f"{TAG_OF_TABLE[table].tag.upper()}_CHANGED"
    silent = []
    writers = 0
    for path in sorted(SOURCES.rglob("*.py")):
        name, text = str(path.relative_to(SOURCES)), path.read_text()
        if name.startswith(("store/", "testing/")) or not writes.search(text):
            continue
        writers += 1
        if f"after_commit(conn, {word})" not in text and (name, table) not in _TAKES_IT_BACK:
            silent.append(name)
    assert silent == []
    assert writers
