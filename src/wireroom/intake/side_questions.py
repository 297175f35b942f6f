"""`/btw`: has a side question answered at once, beside what the chat's agent works on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.backends.abilities import ability_of
from wireroom.conversations.threads import find_current
from wireroom.delivery.outbox import Recipient
from wireroom.intake.ask import Asker, Question
from wireroom.intake.reply import Reply
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import unfinished_runs
from wireroom.runs.side import side_lane

HOW = "Ask what you want to know beside the work: `/btw QUESTION`. I answer at once and change nothing."
ONE_AT_A_TIME = "One side question at a time: the one before is still being answered."


@dataclass(frozen=True, slots=True)
class SideQuestion:
    """A `/btw`, and where it was sent."""

    lane: str
    to: Recipient
    text: str
    request_id: str


class SideQuestions:
    """Asks them, one at a time a chat, each in a conversation of its own."""

    def __init__(self, asker: Asker, *, minutes: float) -> None:
        """Keep the neighbours; an answer may take so many minutes."""
        self._asker = asker
        self._minutes = minutes

    def ask(
        self, conn: Connection, side: SideQuestion, now_ms: int, refusal: Callable[[], str | Reply | None]
    ) -> str | Reply | None:
        """Ask, and return None; or what to say instead.

        Args:
            conn: The unit's.
            side: What is asked.
            now_ms: The time.
            refusal: Tells why the chat may ask nothing now, None when it may.
        """
        if not side.text:
            return HOW
        if self._asker.known(conn, side.request_id) is not None:
            return None
        lane, main = side_lane(side.lane), find_current(conn, side.lane)
        if unfinished_runs(conn, lane):
            return ONE_AT_A_TIME
        backend = (main and main.backend) or self._asker.backend
        if not ability_of(backend).answers_aside:
            return f"{backend} cannot answer side questions: it has no way to change nothing."
        if (why := refusal()) is not None:
            return why
        if main is None:
            main = self._asker.begin(conn, side.lane, "telegram", now_ms)
        self._asker.begin(conn, lane, "telegram", now_ms, workdir=main.workdir, backend=backend)
        options = RunOptions(side_of=main.id, unattended=True, budget_minutes=self._minutes)
        asked = Question(side.request_id, side.text, lane, "telegram", side.to.reply_to, options=options)
        self._asker.ask(conn, asked, now_ms, to=side.to)
        return None
