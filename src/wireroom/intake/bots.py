"""Units of work on the bots that were added beside the bot of the settings.

A bot has its row in `telegram_bots`, the table that older programs know, with its secrets sealed, and one in
`bot_details`. Rows of that table without details are other programs' and are left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from wireroom.errors import Conflict, NotFound
from wireroom.intake.accept import UpdateState
from wireroom.sealing import Seal
from wireroom.store.schema import bot_details, deliveries, telegram_bots, updates
from wireroom.store.statement import Statement

TOPIC = "bots"
"""Woken when bots are added, removed or changed."""
_TYPE = "virtual assistant"
"""The older programs' word for a bot that people talk to."""

_ALL = (
    select(
        bot_details.c.bot_id,
        telegram_bots.c.name,
        telegram_bots.c.bot_token,
        telegram_bots.c.webhook_secret,
        telegram_bots.c.active,
        bot_details.c.username,
        bot_details.c.repository,
        bot_details.c.backend,
        bot_details.c.is_polled,
        bot_details.c.problem,
    )
    .join_from(bot_details, telegram_bots, telegram_bots.c.id == bot_details.c.row_id)
    .order_by(bot_details.c.bot_id)
)
"""Every bot with what there is to know of it; each process asks every few seconds."""

_STATE = Statement("""
    SELECT bots.active FROM bot_details AS details JOIN telegram_bots AS bots ON bots.id = details.row_id
    WHERE details.bot_id = :bot_id
""")
"""Whether a bot is there, and active."""

_DEFAULTS = Statement("SELECT repository, backend FROM bot_details WHERE bot_id = :bot_id")
"""What new conversations with a bot begin with."""


@dataclass(frozen=True, slots=True)
class StoredBot:
    """One bot as it is stored."""

    bot_id: int
    name: str
    token: str = field(repr=False)
    """Sealed."""
    webhook_secret: str = field(repr=False)
    """Sealed."""
    is_active: bool
    username: str
    repository: str | None
    backend: str | None
    is_polled: bool
    problem: str | None

    @property
    def state(self) -> str:
        """Return how it is, for people: at work, paused, or what is wrong with it."""
        return "paused" if not self.is_active else self.problem or "at work"

    def opened_token(self, seal: Seal) -> str:
        """Return its token.

        Raises:
            SettingsError: the key is not the one that it was sealed with.
        """
        return seal.open(self.token, _about_token(self.bot_id))

    def opened_webhook_secret(self, seal: Seal) -> str:
        """Return what Telegram sends with its updates; raises as `opened_token` does."""
        return seal.open(self.webhook_secret, _about_webhook(self.bot_id))


@dataclass(frozen=True, slots=True)
class Defaults:
    """What new conversations with a bot begin with; None: by the installation's rule."""

    folder: str | None = None
    backend: str | None = None


@dataclass(frozen=True, slots=True)
class NewBot:
    """A bot to be."""

    bot_id: int
    name: str
    token: str = field(repr=False)
    username: str = ""
    repository: str | None = None
    backend: str | None = None
    is_polled: bool = False


def list_bots(conn: Connection) -> Sequence[StoredBot]:
    """Return the added bots by their Telegram ids."""
    return [_stored(*row) for row in conn.execute(_ALL)]


def get_bot(conn: Connection, name: str) -> StoredBot:
    """Return one bot.

    Raises:
        NotFound: there is none of this name.
    """
    found = next((bot for bot in list_bots(conn) if bot.name == name), None)
    if found is None:
        known = ", ".join(bot.name for bot in list_bots(conn)) or "none was added"
        raise NotFound(f"There is no bot {name}. Known: {known}.")
    return found


def is_active(conn: Connection, bot_id: int) -> bool | None:
    """Tell whether an added bot is at work, False for a paused one, None for one that is not there."""
    row = _STATE.row(conn, bot_id=bot_id)
    return None if row is None else bool(row[0])


def defaults_of(conn: Connection, lane: str) -> Defaults:
    """Return what conversations in a lane begin with by the wish of its bot."""
    bot_id = bot_of_lane(lane)
    row = None if bot_id is None else _DEFAULTS.row(conn, bot_id=bot_id)
    return Defaults() if row is None else Defaults(*row)


def add_bot(conn: Connection, seal: Seal, new: NewBot, now_ms: int) -> None:
    """Store a bot, its secrets sealed, with a webhook secret of its own.

    Raises:
        Conflict: its name is taken, or it was added before.
    """
    if any(bot.bot_id == new.bot_id for bot in list_bots(conn)):
        raise Conflict("This bot is there already; `wireroom bot list` shows it.")
    taken = select(telegram_bots.c.id).where(telegram_bots.c.name == new.name)
    if conn.execute(taken).first() is not None:
        raise Conflict(f"There is a bot {new.name} already. Give this one another name.")
    row_id = conn.execute(
        insert(telegram_bots)
        .values(
            name=new.name,
            bot_token=seal.close(new.token, _about_token(new.bot_id)),
            webhook_secret=seal.close(secrets.token_urlsafe(32), _about_webhook(new.bot_id)),
            bot_type=_TYPE,
            active=1,
        )
        .returning(telegram_bots.c.id)
    ).scalar_one()
    conn.execute(
        insert(bot_details).values(
            bot_id=new.bot_id,
            row_id=row_id,
            username=new.username,
            repository=new.repository,
            backend=new.backend,
            is_polled=int(new.is_polled),
            added_at=now_ms,
        )
    )


def remove_bot(conn: Connection, name: str, now_ms: int) -> int:
    """Remove a bot with its secrets; return how many messages it will not send.

    They are dead letters from then on, and so are its updates that nobody has handled. Should the same bot be
    added again, they can be retried.

    Raises:
        NotFound: there is none of this name.
    """
    bot = get_bot(conn, name)
    reason = removed_reason(bot.bot_id)
    unsent = conn.execute(
        update(deliveries)
        .where(deliveries.c.bot_id == bot.bot_id, deliveries.c.state.in_(("waiting", "pending")))
        .values(state="dead", error=reason)
    ).rowcount
    conn.execute(
        update(updates)
        .where(updates.c.bot_id == bot.bot_id, updates.c.state == UpdateState.RECEIVED.value)
        .values(state=UpdateState.DEAD.value, reason=reason, handled_at=now_ms)
    )
    row = select(bot_details.c.row_id).where(bot_details.c.bot_id == bot.bot_id)
    conn.execute(delete(telegram_bots).where(telegram_bots.c.id == row.scalar_subquery()))
    conn.execute(delete(bot_details).where(bot_details.c.bot_id == bot.bot_id))
    return int(unsent)


def pause_bot(conn: Connection, name: str, *, is_paused: bool) -> None:
    """Have a bot neither listen nor answer, or do so again; what waits is kept.

    Raises:
        NotFound: there is none of this name.
    """
    row = select(bot_details.c.row_id).where(bot_details.c.bot_id == get_bot(conn, name).bot_id)
    conn.execute(
        update(telegram_bots)
        .where(telegram_bots.c.id == row.scalar_subquery())
        .values(active=int(not is_paused))
    )


def note_bot(conn: Connection, bot_id: int, *, username: str, problem: str | None) -> None:
    """Note what has been found out about a bot."""
    conn.execute(
        update(bot_details).where(bot_details.c.bot_id == bot_id).values(username=username, problem=problem)
    )


def removed_reason(bot_id: int) -> str:
    """Return why nothing is sent for a bot that is not part of this installation. Pure."""
    return (
        f"Bot {bot_id} is not part of this installation any more, and no other bot sends its messages. Add it"
        " again (`wireroom bot add`) and retry, or discard this."
    )


def _about_token(bot_id: int) -> str:
    return f"token of bot {bot_id}"


def _about_webhook(bot_id: int) -> str:
    return f"webhook of bot {bot_id}"


def _stored(*row: Any) -> StoredBot:
    bot_id, name, token, secret, active, username, repository, backend, is_polled, problem = row
    return StoredBot(
        bot_id, name, token, secret, bool(active), username, repository, backend, bool(is_polled), problem
    )


def bot_of_lane(lane: str) -> int | None:
    """Return the bot of a chat's lane, such as 123456 of `telegram:123456:7:0`; None for any other. Pure."""
    words = lane.split(":")
    return int(words[1]) if len(words) > 1 and words[0] == "telegram" and words[1].isdigit() else None
