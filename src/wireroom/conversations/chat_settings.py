"""What people chose for one chat: typed, kept as JSON in one row a lane, read where it counts.

A field that is None follows the installation. A choice counts for what begins after it; what runs or waits
keeps what it was asked with. Neighbours: `intake` writes here, `delivery` and the digest read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import Connection, select

from wireroom.store.schema import chat_settings
from wireroom.store.statement import Statement

_READ = Statement("SELECT choices FROM chat_settings WHERE lane = :lane")
"""What was chosen for the lane."""

_WRITE = Statement("""
    INSERT INTO chat_settings (lane, choices, changed_at) VALUES (:lane, :choices, :now_ms)
    ON CONFLICT (lane) DO UPDATE SET choices = excluded.choices, changed_at = excluded.changed_at
""")
"""Choose for the lane; what is due in it stays."""


class ChatSettings(msgspec.Struct, frozen=True, omit_defaults=True):
    """The choices of one lane; a new one is a new field with a default, and needs no migration."""

    models: dict[str, str] = {}
    """Model by back end: a model of one is none of another."""
    effort: str | None = None
    """How long the agent shall think: low, medium or high."""
    run_usd: float | None = None
    """The most that one request may cost."""
    run_minutes: float | None = None
    """The longest that one request may work."""
    day_usd: float | None = None
    """What the requests of one day may cost, on the chat's clock."""
    raised_usd: float = 0.0
    """The same for the day `raised_on` alone, where it is more."""
    raised_on: str | None = None
    """The day, YYYY-MM-DD."""
    zone: str | None = None
    """Time zone, such as Europe/Warsaw."""
    digest_at: str | None = None
    """When the daily digest is sent, HH:MM."""
    digest_always: bool = False
    """Also on a day without anything to tell."""
    quiet: str | None = None
    """When not to ring, HH:MM-HH:MM."""
    repository: str | None = None
    """What the chat is about, by its name; see `folder`."""
    folder: str | None = None
    """Where its conversations begin to work; None: by the installation's rule."""
    backend: str | None = None
    """The coding agent that its conversations begin with."""
    rich: str | None = None
    """Whether rich messages are shown: a word of `delivery.looks`."""
    busy: str | None = None
    """What a message means that comes while a run works: a word of `intake.busy`."""


_decode = msgspec.json.Decoder(ChatSettings).decode
_encode = msgspec.json.Encoder().encode


def read_chat_settings(conn: Connection, lane: str) -> ChatSettings:
    """Return what was chosen for the lane; fields of a newer release are passed over."""
    stored = _READ.value(conn, lane=lane)
    return _decode(stored) if stored else ChatSettings()


def settings_of_lanes(conn: Connection, lanes: Collection[str]) -> dict[str, ChatSettings]:
    """Return what was chosen for those of the lanes for which anything was."""
    query = select(chat_settings.c.lane, chat_settings.c.choices).where(chat_settings.c.lane.in_(lanes))
    return {row.lane: _decode(row.choices) for row in conn.execute(query)}


def change_chat_settings(conn: Connection, lane: str, now_ms: int, **changes: Any) -> ChatSettings:
    """Change these fields of the lane's choices, keep the others, and return them all."""
    chosen = structs.replace(read_chat_settings(conn, lane), **changes)
    _WRITE.run(conn, lane=lane, choices=_encode(chosen).decode(), now_ms=now_ms)
    return chosen
