"""Asks the question of an earlier run again, to be answered in the same place."""

from __future__ import annotations

from msgspec import structs
from sqlalchemy import Connection

from wireroom.delivery.queries import recipient_of_run
from wireroom.errors import NotFound
from wireroom.intake.ask import Asker, Question
from wireroom.intake.wishes import without_choices
from wireroom.runs.queries import RunView, find_run


def same_question(run: RunView, request_id: str, *, message_id: int | None = None) -> Question:
    """Return what the run was asked, in its mode and with its options, under a request id of its own.

    Nobody is called back for it a second time. `message_id` is the chat message that asks now; None: that
    which asked before.
    """
    return Question(
        request_id,
        run.prompt,
        run.lane,
        run.source,
        message_id if message_id is not None else run.source_message_id,
        mode=run.mode,
        options=without_choices(
            structs.replace(run.options, has_callback=False, busy=None, place=0, handed=False), run.source
        ),
    )


def ask_again(conn: Connection, asker: Asker, run_id: str, request_id: str, now_ms: int) -> str:
    """Store a new run with the earlier one's question and recipient; return its id.

    Raises:
        NotFound: there is no such run.
    """
    run = find_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    asked = asker.ask(conn, same_question(run, request_id), now_ms, to=recipient_of_run(conn, run.id))
    return asked or asker.known(conn, request_id) or run.id
