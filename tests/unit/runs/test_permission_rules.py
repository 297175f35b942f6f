"""The rules by which an agent may use a tool without asking a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wireroom.errors import SettingsError
from wireroom.runs.permission_rules import Settled, Situation, read_rules, settle

RULES = read_rules(("read*=allow", "execute=ask", "fetch = deny", "mcp_*=Allow"))
UNKNOWN = Situation("edit", answered=None, allowed_for_session=False, attended=True, default=False)


@pytest.mark.parametrize(
    ("situation", "allowed"),
    [
        (UNKNOWN, None),
        (replace(UNKNOWN, tool="read"), True),
        (replace(UNKNOWN, tool="READ_many"), True),
        (replace(UNKNOWN, tool="fetch"), False),
        (replace(UNKNOWN, tool="mcp_board"), True),
        (replace(UNKNOWN, tool="execute"), None),
        (replace(UNKNOWN, answered=True), True),
        (replace(UNKNOWN, answered=False), False),
        (replace(UNKNOWN, answered=False, allowed_for_session=True), False),
        (replace(UNKNOWN, allowed_for_session=True), True),
        (replace(UNKNOWN, tool="execute", allowed_for_session=True), True),
        (replace(UNKNOWN, tool="fetch", allowed_for_session=True, answered=True), False),
        (replace(UNKNOWN, attended=False), False),
        (replace(UNKNOWN, attended=False, default=True), True),
        (replace(UNKNOWN, attended=False, default=True, answered=False), False),
        (replace(UNKNOWN, tool="execute", attended=False), False),
        (replace(UNKNOWN, default=True), None),
    ],
)
def test_settle_asks_a_person_only_when_nothing_else_answers(
    situation: Situation, allowed: bool | None
) -> None:
    """A rule comes first, then what people said, then the default where nobody is."""
    settled = settle(RULES, situation)
    assert (settled and settled.allowed) is allowed


def test_settle_says_why() -> None:
    """The reason names the rule, for the log."""
    assert settle(RULES, replace(UNKNOWN, tool="fetch")) == Settled(False, "rule fetch=deny")


def test_settle_takes_the_first_rule_that_fits() -> None:
    """The order of the rules decides."""
    rules = read_rules(("execute=deny", "*=allow"))
    assert [
        settled.allowed
        for tool in ("execute", "edit")
        if (settled := settle(rules, replace(UNKNOWN, tool=tool))) is not None
    ] == [False, True]


@pytest.mark.parametrize("word", ["execute", "=allow", "execute=maybe", "execute=", ""])
def test_read_rules_names_a_word_that_is_none(word: str) -> None:
    """A rule that cannot be read stops the start, and is shown."""
    with pytest.raises(SettingsError, match="WIREROOM_PERMISSION_RULES"):
        read_rules((word,))
