"""The sending limits of the Bot API server."""

from __future__ import annotations

from wireroom.testing.bot_api.flood import FloodGate
from wireroom.testing.bot_api.model import Chat, ChatKind


def _private(number: int) -> Chat:
    return Chat(number, ChatKind.PRIVATE, "someone")


def test_flood_gate_allows_one_message_a_second_in_a_chat() -> None:
    """A second message in the same second waits; one elsewhere does not; a refusal is not counted."""
    gate = FloodGate()
    assert gate.admit(_private(1), 0.0) is None
    assert gate.admit(_private(1), 0.5) == 1
    assert gate.admit(_private(2), 0.5) is None
    assert gate.admit(_private(1), 1.0) is None


def test_flood_gate_allows_thirty_messages_a_second_in_all() -> None:
    """The 31st chat of one second waits."""
    gate = FloodGate()
    assert [gate.admit(_private(n), 0.0) for n in range(30)] == [None] * 30
    assert gate.admit(_private(31), 0.9) == 1
    assert gate.admit(_private(31), 1.0) is None


def test_flood_gate_allows_twenty_messages_a_minute_in_a_group() -> None:
    """The 21st message of a minute waits until the first is a minute old."""
    gate, group = FloodGate(), Chat(-1, ChatKind.GROUP, "team")
    assert [gate.admit(group, float(n)) for n in range(20)] == [None] * 20
    assert gate.admit(group, 20.0) == 40
    assert gate.admit(group, 60.0) is None
