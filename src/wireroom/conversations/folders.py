"""The folders that conversations work in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from wireroom.store.schema import conversations


@dataclass(frozen=True, slots=True)
class Folder:
    """A conversation, as far as its folder is concerned."""

    id: str
    title: str
    channel: str
    workdir: str
    active_at: int


def recent_folders(conn: Connection, limit: int) -> Sequence[Folder]:
    """Return the conversations that were active last, newest first."""
    columns = (conversations.c.id, conversations.c.title, conversations.c.channel)
    query = select(*columns, conversations.c.workdir, conversations.c.active_at)
    newest = query.order_by(conversations.c.active_at.desc()).limit(limit)
    return [Folder(*row) for row in conn.execute(newest)]


def folder_of(conn: Connection, conversation_id: str) -> str | None:
    """Return the folder of a conversation; None when there is no such conversation."""
    query = select(conversations.c.workdir).where(conversations.c.id == conversation_id)
    return conn.execute(query).scalar_one_or_none()
