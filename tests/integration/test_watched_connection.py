"""A connection that sends statements for months holds nothing for each of them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wireroom.store.sqlite import connect

STATEMENTS = 5_000
MOST_KEPT = 1_000
"""References that may be left: the driver drops those of dead cursors after each two hundred new ones."""


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda raw: raw.execute("SELECT 1").fetchone(), id="execute"),
        pytest.param(lambda raw: raw.rows("SELECT 1"), id="rows"),
        pytest.param(lambda raw: raw.cursor().execute("SELECT 1").fetchall(), id="cursor"),
    ],
)
def test_connection_forgets_the_cursors_that_it_made(send: Callable[[Any], object], tmp_path: Path) -> None:
    """After thousands of statements the driver refers to some hundred dead cursors, not to every one."""
    raw = connect(tmp_path / "any.sqlite3")
    before = _dead_references()
    for _ in range(STATEMENTS):
        send(raw)
    kept = _dead_references() - before
    raw.close()
    assert kept < MOST_KEPT


def _dead_references() -> int:
    gc.collect()
    return sum(type(one) is weakref.ReferenceType and one() is None for one in gc.get_objects())
