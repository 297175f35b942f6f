"""Reads of deliveries for people and programs: what is on its way, and the dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from wireroom.delivery.outbox import DeliveryState, Recipient
from wireroom.store.schema import deliveries

EXCERPT_CHARS = 200


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """An outgoing message as people see it."""

    id: int
    run_id: str | None
    """None for a notice that no run asked for."""
    lane: str
    state: DeliveryState
    body_excerpt: str | None
    """The beginning of the message; None while it is not known yet."""
    error: str | None
    """Why it is dead, or what the last try said."""
    attempts: int
    created_at: int
    sent_at: int | None


def list_deliveries(
    conn: Connection,
    *,
    state: str | None = None,
    limit: int = 50,
    offset: int = 0,
    before: int | None = None,
) -> Sequence[DeliveryView]:
    """Return one page of deliveries, newest first; with `before`, those of lower numbers only."""
    query = (
        select(
            deliveries.c.id,
            deliveries.c.run_id,
            deliveries.c.lane,
            deliveries.c.state,
            func.substr(deliveries.c.body, 1, EXCERPT_CHARS),
            deliveries.c.error,
            deliveries.c.attempts,
            deliveries.c.created_at,
            deliveries.c.sent_at,
        )
        .order_by(deliveries.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if state is not None:
        query = query.where(deliveries.c.state == state)
    if before is not None:
        query = query.where(deliveries.c.id < before)
    return [
        DeliveryView(row[0], row[1], row[2], DeliveryState(row[3]), *row[4:]) for row in conn.execute(query)
    ]


def count_deliveries(conn: Connection, *, state: str | None = None) -> int:
    """Return how many deliveries the whole list has."""
    query = select(func.count()).select_from(deliveries)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    total: int = conn.execute(query).scalar_one()
    return total


def delivery_state(conn: Connection, delivery_id: int) -> DeliveryState | None:
    """Return where a delivery stands, None when there is none of this id."""
    query = select(deliveries.c.state).where(deliveries.c.id == delivery_id)
    state: str | None = conn.execute(query).scalar_one_or_none()
    return None if state is None else DeliveryState(state)


def recipient_of_run(conn: Connection, run_id: str) -> Recipient | None:
    """Return where the run's answer went, so that a new try answers there too; None for the page."""
    query = select(
        deliveries.c.lane,
        deliveries.c.bot_id,
        deliveries.c.chat_id,
        deliveries.c.thread_id,
        deliveries.c.reply_to,
    ).where(deliveries.c.run_id == run_id)
    row = conn.execute(query).first()
    return None if row is None else Recipient(*row)
