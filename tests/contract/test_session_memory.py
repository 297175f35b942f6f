"""What is known of a coding agent's session is kept the same on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from sqlalchemy import Connection

from contract.job_engines import Engine, open_engine
from wireroom.conversations.threads import (
    NewConversation,
    Session,
    begin_conversation,
    remember_session,
    session_of,
)

pytestmark = pytest.mark.timeout(60)
USED = {"input_tokens": 300, "cost_usd": 0.25}
Noted = tuple[str, str | None, Mapping[str, int | float] | None]


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine with one conversation; no worker runs."""
    async with open_engine(url) as lent:
        await lent.db.write(_begin)
        yield lent


def _begin(conn: Connection) -> None:
    begin_conversation(conn, NewConversation("c", "web", "web:one", "/w"), 1)


@pytest.mark.parametrize(
    ("noted", "session"),
    [
        pytest.param([], None, id="none"),
        pytest.param([("codex", "s-1", USED)], Session("s-1", "/w", USED), id="with-usage"),
        pytest.param([("codex", "s-1", USED), ("codex", "s-1", None)], Session("s-1", "/w", USED), id="same"),
        pytest.param(
            [("codex", "s-1", USED), ("codex", "s-2", None)], Session("s-2", "/w", {}), id="replaced"
        ),
        pytest.param(
            [("claude", "s-1", USED), ("codex", "s-1", None)], Session("s-1", "/w", {}), id="another-agent"
        ),
        pytest.param([("codex", "s-1", USED), ("codex", None, None)], None, id="lost"),
        pytest.param(
            [("codex", "s-1", USED), ("codex", None, None), ("codex", "s-1", None)],
            Session("s-1", "/w", {}),
            id="lost-and-found",
        ),
        pytest.param([("claude", "s-1", USED)], None, id="of-another-agent"),
    ],
)
async def test_usage_is_known_of_the_same_session_only(
    engine: Engine, noted: list[Noted], session: Session | None
) -> None:
    """It stays while the session does, and goes with it."""

    def unit(conn: Connection) -> Session | None:
        for backend, session_id, usage in noted:
            remember_session(conn, "c", backend=backend, session_id=session_id, workdir="/w", usage=usage)
        return session_of(conn, "c", "codex")

    assert await engine.db.write(unit) == session


@pytest.mark.parametrize(
    ("stored", "workdir"),
    [pytest.param("/w/tree", "/w/tree", id="noted"), pytest.param(None, "/w", id="of-an-earlier-release")],
)
async def test_session_is_known_with_its_folder(engine: Engine, stored: str | None, workdir: str) -> None:
    """One that was stored before folders were is the conversation's own."""

    def unit(conn: Connection) -> Session | None:
        remember_session(conn, "c", backend="codex", session_id="s-1", workdir="/w/tree")
        if stored is None:
            conn.exec_driver_sql("UPDATE conversations SET session_workdir = NULL")
        return session_of(conn, "c", "codex")

    assert await engine.db.write(unit) == Session("s-1", workdir, {})
