"""Asks the question of an earlier run again, to be answered in the same place."""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.delivery.queries import recipient_of_run
from wireroom.errors import NotFound
from wireroom.intake.ask import Asker, Question
from wireroom.runs.queries import find_run


def ask_again(conn: Connection, asker: Asker, run_id: str, request_id: str, now_ms: int) -> str:
    """Store a new run with the earlier one's prompt and recipient; return its id.

    Raises:
        NotFound: there is no such run.
    """
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    question = Question(request_id, run.prompt, run.lane, run.source, run.source_message_id)
    asked = asker.ask(conn, question, now_ms, to=recipient_of_run(conn, run.id))
    return asked or asker.known(conn, request_id) or run.id
