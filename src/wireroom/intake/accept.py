"""The units of work that make an update ours: row and job in one commit, once per (bot, update_id)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import Connection, Row, func, insert, select, update

from wireroom.intake.update import Incoming, Other, Pressed, Said, kind_of, lane_name
from wireroom.jobs.port import JobRef, Jobs
from wireroom.store.schema import polling_offsets, updates
from wireroom.store.statement import Statement

QUEUE = "intake"
KIND = "update"

_MOST_AT_ONCE = 64

_TAKE_UPDATE = Statement("""
    UPDATE updates SET state = 'done', handled_at = :now_ms WHERE id = :row_id AND state = 'received'
    RETURNING payload
""")
"""The text of an update that waits to be handled, and what mostly becomes of it."""

_CLOSE_UPDATE = Statement("""
    UPDATE updates SET state = :state, reason = :reason, handled_at = :now_ms WHERE id = :row_id
""")
"""Note what became of an update."""

_CORRECT_NOTE = Statement("UPDATE updates SET state = :state, reason = :reason WHERE id = :row_id")
"""Note something else of an update that this unit has taken; its time, and so that index, stays."""

_REOPEN_UPDATE = Statement("""
    UPDATE updates SET state = 'received', reason = NULL, handled_at = NULL
    WHERE id = :row_id AND lane = :lane AND state = 'refused' AND reason = :reason
""")
"""Have an update handled that was refused for this reason."""

_LAST_RECEIPT = Statement("""
    SELECT received_at FROM updates JOIN polling_offsets AS last
        ON updates.bot_id = last.bot_id AND updates.update_id = last.next_update_id - 1
    WHERE last.bot_id = :bot_id
""")
"""When the update just before the offset came."""


class Accepted(StrEnum):
    """What became of an update; the value of the header `x-wireroom-delivery`."""

    DURABLE = "durable"
    """Stored, and its work with it, before the answer."""
    DUPLICATE = "duplicate"
    """Was stored before; nothing more happens."""


class UpdateState(StrEnum):
    """Where a stored update stands."""

    RECEIVED = "received"
    DONE = "done"
    IGNORED = "ignored"
    """Of a kind, or with a content, that nothing follows from."""
    REFUSED = "refused"
    """From somebody who may not talk to the bot, or beyond the chat's budget."""
    DEAD = "dead"
    """Its handling failed too often; listed, can be retried or discarded."""
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Receipt:
    """An update to store."""

    incoming: Incoming
    """What `read_update` made of the payload."""
    payload: str
    """The update as it came, JSON."""


def accept_updates(
    conn: Connection, jobs: Jobs, receipts: Sequence[Receipt], *, bot_id: int, now_ms: int
) -> list[Accepted]:
    """Store updates and their jobs, in this order; a repetition is recognised, however old the first one is.

    Args:
        conn: The unit's connection.
        jobs: Where the jobs go.
        receipts: What came, each once or more often.
        bot_id: The bot that received them; update ids are counted per bot.
        now_ms: The time of receipt.

    Returns:
        What became of each.
    """
    stored: dict[int, int] = {}
    for first in range(0, len(receipts), _MOST_AT_ONCE):
        stored |= _insert_updates(conn, receipts[first : first + _MOST_AT_ONCE], bot_id, now_ms)
    fresh: list[JobRef] = []
    answers: list[Accepted] = []
    for receipt in receipts:
        row_id = stored.pop(receipt.incoming.update_id, None)
        answers.append(Accepted.DUPLICATE if row_id is None else Accepted.DURABLE)
        if row_id is not None:
            fresh.append(_job_of(row_id, _lane_of(bot_id, receipt.incoming)))
    jobs.enqueue_all(conn, fresh, queue=QUEUE, kind=KIND)
    return answers


def take_update(conn: Connection, row_id: int, now_ms: int) -> str | None:
    """Note the update as done and return it as JSON, None when it was handled already.

    The caller's unit does what follows from it, and corrects the note by `correct_note`.
    """
    payload: str | None = _TAKE_UPDATE.value(conn, row_id=row_id, now_ms=now_ms)
    return payload


def close_update(conn: Connection, row_id: int, state: UpdateState, reason: str | None, now_ms: int) -> None:
    """Note what became of the update."""
    _CLOSE_UPDATE.run(conn, row_id=row_id, state=state.value, reason=reason, now_ms=now_ms)


def correct_note(conn: Connection, row_id: int, state: UpdateState, reason: str | None) -> None:
    """Note what became of an update that was taken in this unit, instead of that it is done."""
    _CORRECT_NOTE.run(conn, row_id=row_id, state=state.value, reason=reason)


def retry_update(conn: Connection, jobs: Jobs, row_id: int) -> bool:
    """Handle a dead update again; False when it is not dead."""
    return bool(retry_updates(conn, jobs, [row_id]))


def retry_updates(conn: Connection, jobs: Jobs, row_ids: Collection[int]) -> Sequence[int]:
    """Handle dead updates again, in the order in which they came; return those that were dead."""
    rows = conn.execute(
        update(updates)
        .where(updates.c.id.in_(row_ids), updates.c.state == UpdateState.DEAD)
        .values(state=UpdateState.RECEIVED, reason=None, handled_at=None)
        .returning(updates.c.id, updates.c.lane)
    ).all()
    again = [_job_of(row.id, row.lane) for row in sorted(rows)]
    jobs.discard_all_dead(conn, kind=KIND, refs=[job.ref for job in again])
    jobs.enqueue_all(conn, again, queue=QUEUE, kind=KIND)
    return [int(job.ref) for job in again]


def reopen_update(conn: Connection, jobs: Jobs, row_id: int, lane: str, *, reason: str) -> bool:
    """Handle an update of the lane again that was refused for this reason; False when it was not."""
    reopened = _REOPEN_UPDATE.run(conn, row_id=row_id, lane=lane, reason=reason) > 0
    if reopened:
        jobs.enqueue_all(conn, [_job_of(row_id, lane)], queue=QUEUE, kind=KIND)
    return reopened


def dead_updates(
    conn: Connection, limit: int, *, before: int | None = None
) -> Sequence[Row[tuple[object, ...]]]:
    """Return the dead updates, newest first; with `before`, those of lower numbers only."""
    query = select(updates).where(updates.c.state == UpdateState.DEAD.value)
    if before is not None:
        query = query.where(updates.c.id < before)
    return conn.execute(query.order_by(updates.c.id.desc()).limit(limit)).all()


def count_dead_updates(conn: Connection) -> int:
    """Return how many updates are dead."""
    query = select(func.count()).select_from(updates).where(updates.c.state == UpdateState.DEAD.value)
    return int(conn.execute(query).scalar_one())


def dead_update_ids(conn: Connection, *, after: int, limit: int) -> Sequence[int]:
    """Return the ids of dead updates above `after`, oldest first."""
    query = select(updates.c.id).where(updates.c.state == UpdateState.DEAD.value, updates.c.id > after)
    return conn.execute(query.order_by(updates.c.id).limit(limit)).scalars().all()


def discard_update(conn: Connection, jobs: Jobs, row_id: int) -> bool:
    """Drop a dead update from the list of dead letters; False when it is not dead."""
    return bool(discard_updates(conn, jobs, [row_id]))


def discard_updates(conn: Connection, jobs: Jobs, row_ids: Collection[int]) -> Sequence[int]:
    """Drop dead updates from the list of dead letters; return those that were dead, oldest first."""
    done = conn.execute(
        update(updates)
        .where(updates.c.id.in_(row_ids), updates.c.state == UpdateState.DEAD.value)
        .values(state=UpdateState.DISCARDED)
        .returning(updates.c.id)
    )
    gone = sorted(done.scalars())
    jobs.discard_all_dead(conn, kind=KIND, refs=[str(row_id) for row_id in gone])
    return gone


def payload_of(conn: Connection, bot_id: int, update_id: int, *, lane: str | None = None) -> str | None:
    """Return a stored update's text; None when it is not kept any more, or came from another lane."""
    query = select(updates.c.payload).where(updates.c.bot_id == bot_id, updates.c.update_id == update_id)
    if lane is not None:
        query = query.where(updates.c.lane == lane)
    found: str | None = conn.execute(query).scalar_one_or_none()
    return found


def clear_payloads(conn: Connection, before_ms: int, limit: int = 1000) -> int:
    """Turn handled updates into tombstones: their text goes, their id stays and still stops repetitions."""
    old = (
        select(updates.c.id)
        .where(
            updates.c.payload.isnot(None),
            updates.c.handled_at < before_ms,
            updates.c.state != UpdateState.DEAD,
        )
        .limit(limit)
    )
    return conn.execute(update(updates).where(updates.c.id.in_(old)).values(payload=None)).rowcount


def next_offset(conn: Connection, bot_id: int) -> int | None:
    """Return the id that polling continues from, None before the first update."""
    query = select(polling_offsets.c.next_update_id).where(polling_offsets.c.bot_id == bot_id)
    return conn.execute(query).scalar_one_or_none()


def last_receipt(conn: Connection, bot_id: int) -> int | None:
    """Return when the update that the offset follows came, in ms; None before the first update."""
    came_ms: int | None = _LAST_RECEIPT.value(conn, bot_id=bot_id)
    return came_ms


def advance_offset(conn: Connection, bot_id: int, next_update_id: int) -> None:
    """Note that every update before this id is stored; commit it with those updates."""
    done = conn.execute(
        update(polling_offsets)
        .where(polling_offsets.c.bot_id == bot_id)
        .values(next_update_id=next_update_id)
    )
    if not done.rowcount:
        conn.execute(insert(polling_offsets).values(bot_id=bot_id, next_update_id=next_update_id))


def _insert_updates(
    conn: Connection, receipts: Sequence[Receipt], bot_id: int, now_ms: int
) -> dict[int, int]:
    """Return the new rows' ids by update id."""
    values: dict[str, object] = {"bot_id": bot_id, "now_ms": now_ms}
    for number, receipt in enumerate(receipts):
        incoming = receipt.incoming
        values[f"update_{number}"] = incoming.update_id
        values[f"kind_{number}"] = kind_of(incoming)
        values[f"lane_{number}"] = _lane_of(bot_id, incoming)
        values[f"payload_{number}"] = receipt.payload
    return {int(update_id): int(row_id) for row_id, update_id in _insert(len(receipts)).rows(conn, **values)}


@lru_cache(maxsize=_MOST_AT_ONCE)
def _insert(rows: int) -> Statement:
    """Store so many updates, each once; one whose id is known changes nothing and returns nothing.

    One statement whatever their number: on SQLite each one that runs is a chance to lose the interpreter to
    another thread, and under load that wait is most of the work.
    """
    row = "(:bot_id, :update_{0}, :kind_{0}, :lane_{0}, :payload_{0}, 'received', :now_ms)"
    return Statement(f"""
        INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at)
        VALUES {", ".join(row.format(number) for number in range(rows))}
        ON CONFLICT (bot_id, update_id) DO NOTHING
        RETURNING id, update_id
    """)


def _job_of(row_id: int, lane: str) -> JobRef:
    # A key of its own: under the lane's, `/stop` would wait for the very run that it must stop. In its turn
    # all the same: ahead of earlier messages, it could not stop what they ask for.
    return JobRef(str(row_id), f"{QUEUE}:{lane}")


def _lane_of(bot_id: int, incoming: Incoming) -> str:
    match incoming:
        case Said(place=place):
            return place.lane(bot_id)
        case Pressed(place=place) if place is not None:
            return place.lane(bot_id)
        case Pressed() | Other():
            return lane_name(bot_id, 0, None)
