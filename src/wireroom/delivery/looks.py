"""Whether a chat is shown rich messages. Pure; people choose by `/rich`.

A rich message has headings, real tables and lists to tick off, but an app that is too old shows a notice
instead of it. So where nobody has chosen, it is used in private chats alone, for what text cannot show.
"""

from __future__ import annotations

from enum import StrEnum


class Look(StrEnum):
    """What may be chosen for a chat."""

    ON = "on"
    """Every answer of some length is rich."""
    OFF = "off"
    """Every answer is text."""
    AUTO = "auto"
    """Answers with a table or a plan are rich in a private chat; elsewhere none is."""


def look_of(chosen: str | None, chat_id: int) -> Look:
    """Return how answers look in the chat; AUTO comes out as what it means there.

    Args:
        chosen: The chat's setting, None where nobody has chosen.
        chat_id: Negative for groups, whose members may have apps of any age.
    """
    look = Look(chosen) if chosen in set(Look) else Look.AUTO
    return Look.OFF if look is Look.AUTO and chat_id < 0 else look


def wants_rich_drafts(chosen: str | None, chat_id: int) -> bool:
    """Tell whether what is being written may be shown rich: it goes away, so AUTO allows it."""
    return look_of(chosen, chat_id) is not Look.OFF
