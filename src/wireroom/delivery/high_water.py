"""The highest message id known in each sequence of ids: what is sent from now on gets a higher one."""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.delivery.outgoing import Outgoing
from wireroom.store.statement import Statement

_SUPERGROUPS_BELOW = -1_000_000_000_000
_LATEST = 5_000

_HIGHEST = Statement("""
    SELECT max(p.message_id) FROM delivery_parts AS p JOIN deliveries AS d ON d.id = p.delivery_id
    WHERE p.delivery_id > (SELECT max(id) FROM deliveries) - :latest
        AND d.bot_id = :bot_id AND d.chat_id BETWEEN :first_chat AND :last_chat
""")
"""The highest id on record among the latest deliveries of a sequence."""


def sequence_of(chat_id: int) -> tuple[int, int]:
    """Return the first and the last chat id of those whose messages are numbered together with this chat's.

    A supergroup or channel counts its own; all other chats of a bot share one sequence.
    """
    return (chat_id, chat_id) if chat_id < _SUPERGROUPS_BELOW else (_SUPERGROUPS_BELOW, 2**63 - 1)


class HighWater:
    """Remembers the highest ids while the process lives; each sequence begins with what is on record."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._highest: dict[tuple[int, int], int] = {}

    def note(self, chat_id: int, message_id: int) -> None:
        """Remember a message that was seen in the chat."""
        sequence = sequence_of(chat_id)
        self._highest[sequence] = max(self._highest.get(sequence, 0), message_id)

    def before(self, conn: Connection, out: Outgoing) -> int:
        """Return an id that whatever is sent to the delivery's chat from now on exceeds; 0 for none known."""
        first_chat, last_chat = sequence = sequence_of(out.chat_id)
        if sequence not in self._highest:
            on_record = _HIGHEST.value(
                conn, latest=_LATEST, bot_id=out.bot_id, first_chat=first_chat, last_chat=last_chat
            )
            self.note(out.chat_id, on_record or 0)
        return max(self._highest[sequence], out.reply_to or 0)
