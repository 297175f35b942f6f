"""Units of work on outgoing messages: written where the result is written, sent later by the sender.

A delivery is opened when the request is accepted (its placeholder is the first visible sign), filled when
the answer is known, and done when the chat shows it. The job of kind `deliver` moves it on.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, case, select, update

from wireroom.jobs.port import JobRef, Jobs
from wireroom.store.schema import deliveries
from wireroom.store.statement import Statement

QUEUE = "delivery"
KIND = "deliver"
_ROW_CHARS = 30
"""Of buttons beside each other."""
_BATCH = 500
"""Dead deliveries sent again by one statement."""

_OPEN = Statement("""
    INSERT INTO deliveries (run_id, lane, bot_id, chat_id, thread_id, reply_to, state, opening, body,
                            buttons, attempts, created_at)
    VALUES (:run_id, :lane, :bot_id, :chat_id, :thread_id, :reply_to, :state, :opening, :body,
            :buttons, 0, :now_ms)
    RETURNING id
""")
"""Add a delivery."""

_FIRST_PART = Statement("""
    INSERT INTO delivery_parts (delivery_id, seq, kind, state, updated_at)
    VALUES (:delivery_id, 0, 'text', 'new', :now_ms)
""")
"""Add the part that every delivery begins with."""

_FILL = Statement("""
    UPDATE deliveries
    SET state = CASE state WHEN 'waiting' THEN 'pending' ELSE state END, body = :body, buttons = :buttons
    WHERE run_id = :run_id AND state IN ('waiting', 'dead') AND body IS NULL
    RETURNING state, id, bot_id, chat_id
""")
"""Give a run's open delivery its answer; one whose placeholder was given up keeps it for a retry."""


@dataclass(frozen=True, slots=True)
class Button:
    """An inline button; pressing it sends `data` back, at most 64 bytes."""

    text: str
    data: str


@dataclass(frozen=True, slots=True)
class Recipient:
    """Where an answer goes."""

    lane: str
    bot_id: int
    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None
    """The message that is answered."""


class DeliveryState(StrEnum):
    """The states of a delivery."""

    WAITING = "waiting"
    """The placeholder is due or shown; the body is not known yet."""
    PENDING = "pending"
    """The body is known and on its way."""
    SENT = "sent"
    DEAD = "dead"
    """Given up; listed, can be retried or discarded."""
    DISCARDED = "discarded"


_state_of_unsent = case(
    (deliveries.c.body.is_(None), DeliveryState.WAITING.value), else_=DeliveryState.PENDING.value
)
"""Where a delivery stands that is to be sent: without a body, its placeholder is."""


def open_delivery(
    conn: Connection, jobs: Jobs, to: Recipient, *, opening: str, run_id: str | None, now_ms: int
) -> int:
    """Add a delivery whose body will follow; its placeholder says `opening`. Returns its id."""
    return _insert(conn, jobs, to, state=DeliveryState.WAITING, opening=opening, run_id=run_id, now_ms=now_ms)


def send_notice(
    conn: Connection,
    jobs: Jobs,
    to: Recipient,
    body: str,
    *,
    now_ms: int,
    buttons: tuple[Button, ...] = (),
    not_before: datetime | None = None,
    opening: str = "…",
) -> int:
    """Add a short message of Wireroom's own, as Markdown, to be sent now or then. Returns its id.

    What it says until it is complete is its `opening`.
    """
    return _insert(
        conn,
        jobs,
        to,
        state=DeliveryState.PENDING,
        opening=opening,
        body=body,
        buttons=buttons,
        now_ms=now_ms,
        not_before=not_before,
    )


def move_on(conn: Connection, jobs: Jobs, delivery_id: int, bot_id: int, chat_id: int) -> None:
    """Have the sender look at a delivery that has a step to do again."""
    _enqueue(conn, jobs, delivery_id, bot_id, chat_id)


def fill_delivery(
    conn: Connection, jobs: Jobs, run_id: str, body: str, buttons: tuple[Button, ...] = ()
) -> None:
    """Give the run's delivery its answer; does nothing for a run that answers nowhere, or has answered."""
    row = _FILL.row(conn, run_id=run_id, body=body, buttons=_encoded(buttons))
    if row is not None and row[0] == DeliveryState.PENDING:
        _enqueue(conn, jobs, *row[1:])


def retry_delivery(conn: Connection, jobs: Jobs, delivery_id: int) -> bool:
    """Send a dead delivery again from the part that failed; False when it is not dead."""
    return bool(retry_deliveries(conn, jobs, [delivery_id]))


def retry_deliveries(conn: Connection, jobs: Jobs, ids: Collection[int]) -> Sequence[int]:
    """Send dead deliveries again, each from the part that failed; return which were dead, oldest first."""
    rows = conn.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids), deliveries.c.state == DeliveryState.DEAD)
        .values(state=_state_of_unsent, attempts=0, error=None)
        .returning(deliveries.c.id, deliveries.c.bot_id, deliveries.c.chat_id)
    ).all()
    again = [JobRef(str(row.id), _key(row.bot_id, row.chat_id)) for row in sorted(rows)]
    jobs.enqueue_all(conn, again, queue=QUEUE, kind=KIND)
    return [int(job.ref) for job in again]


def retry_all_dead(conn: Connection, jobs: Jobs) -> int:
    """Send every dead delivery again, oldest first; return how many."""
    done, ids = 0, dead_deliveries(conn, after=0, limit=_BATCH)
    while ids:
        done += len(retry_deliveries(conn, jobs, ids))
        ids = dead_deliveries(conn, after=ids[-1], limit=_BATCH)
    return done


def dead_deliveries(conn: Connection, *, after: int, limit: int) -> Sequence[int]:
    """Return the ids of dead deliveries above `after`, oldest first."""
    query = select(deliveries.c.id).where(deliveries.c.state == DeliveryState.DEAD, deliveries.c.id > after)
    return conn.execute(query.order_by(deliveries.c.id).limit(limit)).scalars().all()


def discard_delivery(conn: Connection, delivery_id: int) -> bool:
    """Drop a dead delivery from the list of dead letters; False when it is not dead."""
    return bool(discard_deliveries(conn, [delivery_id]))


def discard_deliveries(conn: Connection, ids: Collection[int]) -> Sequence[int]:
    """Drop dead deliveries from the list of dead letters; return those that were dead, oldest first."""
    done = conn.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(ids), deliveries.c.state == DeliveryState.DEAD)
        .values(state=DeliveryState.DISCARDED)
        .returning(deliveries.c.id)
    )
    return sorted(done.scalars())


def _insert(
    conn: Connection,
    jobs: Jobs,
    to: Recipient,
    *,
    state: DeliveryState,
    opening: str,
    now_ms: int,
    run_id: str | None = None,
    body: str | None = None,
    buttons: tuple[Button, ...] = (),
    not_before: datetime | None = None,
) -> int:
    delivery_id: int = _OPEN.value(
        conn,
        run_id=run_id,
        lane=to.lane,
        bot_id=to.bot_id,
        chat_id=to.chat_id,
        thread_id=to.thread_id,
        reply_to=to.reply_to,
        state=state.value,
        opening=opening,
        body=body,
        buttons=_encoded(buttons),
        now_ms=now_ms,
    )
    _FIRST_PART.run(conn, delivery_id=delivery_id, now_ms=now_ms)
    _enqueue(conn, jobs, delivery_id, to.bot_id, to.chat_id, run_at=not_before)
    return delivery_id


def _enqueue(
    conn: Connection,
    jobs: Jobs,
    delivery_id: int,
    bot_id: int,
    chat_id: int,
    *,
    run_at: datetime | None = None,
) -> None:
    jobs.enqueue(
        conn,
        queue=QUEUE,
        kind=KIND,
        ref=str(delivery_id),
        key=_key(bot_id, chat_id),
        run_at=run_at,
        dedupe=f"{KIND}:{delivery_id}",
    )


def _key(bot_id: int, chat_id: int) -> str:
    """Return what has the deliveries of a chat sent one at a time, in order."""
    return f"send:{bot_id}:{chat_id}"


def addressee(key: str | None) -> tuple[int, int] | None:
    """Return bot and chat of a job's key, None when it has none. Pure."""
    match (key or "").split(":"):
        case ["send", bot_id, chat_id]:
            return int(bot_id), int(chat_id)
    return None


def _encoded(buttons: tuple[Button, ...]) -> str | None:
    if not buttons:
        return None
    rows = [[{"text": button.text, "data": button.data} for button in row] for row in rows_of(buttons)]
    return msgspec.json.encode(rows).decode()


def rows_of(buttons: Sequence[Button]) -> Sequence[Sequence[Button]]:
    """Return the buttons by rows, as many in one as a phone shows without cutting their words. Pure."""
    rows: list[list[Button]] = []
    room = 0
    for button in buttons:
        if not rows or len(button.text) > room:
            rows.append([])
            room = _ROW_CHARS
        rows[-1].append(button)
        room -= len(button.text)
    return rows
