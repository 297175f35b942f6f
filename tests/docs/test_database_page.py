"""The page on the database says what the code does."""

from __future__ import annotations

import re

import pytest
from plan_table import PAGE, SHOWN, remade, table

from wireroom.settings import Settings, variables_of


def test_table_of_plans_is_as_the_database_has_it() -> None:
    """The page names the index of each query; `python tests/docs/plan_table.py` makes it so."""
    text = PAGE.read_text()

    assert text == remade(text)


def test_every_shown_query_is_found_by_an_index() -> None:
    """No row of the table is without the index that it is about."""
    rows = table().splitlines()[2:]

    assert len(rows) == len(SHOWN)
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"`(WIREROOM_\w+)`", PAGE.read_text()))))
def test_settings_of_the_page_exist(variable: str) -> None:
    """A setting that the page tells of is one."""
    known = {name for field in Settings.model_fields.values() for name in variables_of(field)}

    assert variable in known
