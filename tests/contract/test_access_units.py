"""One suite for both databases: accounts, sessions, people and the audit, as units of work."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from wireroom.api.access_accounts import (
    add_account,
    get_account,
    has_accounts,
    hash_of,
    list_accounts,
    remove_account,
    session_of_account,
    set_password,
    set_role,
)
from wireroom.api.access_audit import WantedEntries, list_entries, names_in_audit
from wireroom.api.access_rules import PageRole
from wireroom.api.access_sessions import (
    end_every_session,
    end_session_named,
    known_session,
    list_sessions,
    note_seen,
    token_digest,
)
from wireroom.api.auth import session_by_code
from wireroom.errors import Conflict, NotFound
from wireroom.intake.access import Role
from wireroom.intake.people import change_role, forget_person, list_people, new_code
from wireroom.store.database import Database
from wireroom.store.schema import audit, people

pytestmark = pytest.mark.timeout(60)
NOW_MS, DAY_MS = 1_800_000_000_000, 86_400_000


def _log_in(conn: Connection, name: str = "ada", checked: str = "hash", replaces: str | None = None) -> str:
    token = session_of_account(conn, name, checked, browser="b", replaces=replaces, now_ms=NOW_MS)
    assert token is not None
    return token


async def test_account_is_stored_once_and_changed(db: Database) -> None:
    """Of a name there is one; what is changed or removed must be there."""
    assert not await db.read(has_accounts)
    ada = await db.write(
        partial(add_account, name="ada", password_hash="hash", role=PageRole.OWNER, now_ms=1)
    )
    with pytest.raises(Conflict):
        await db.write(partial(add_account, name="ada", password_hash="x", role=PageRole.VIEWER, now_ms=2))
    assert await db.read(list_accounts) == [ada]
    assert await db.read(has_accounts)
    assert await db.write(lambda conn: set_password(conn, "ada", "new", 3)) == 0
    assert await db.read(lambda conn: hash_of(conn, "ada")) == "new"
    await db.write(lambda conn: set_role(conn, "ada", PageRole.VIEWER, 4))
    assert (await db.read(lambda conn: get_account(conn, "ada"))).role is PageRole.VIEWER
    assert await db.write(lambda conn: remove_account(conn, "ada")) == 0
    assert await db.read(lambda conn: hash_of(conn, "ada")) is None
    for unit in (
        lambda conn: set_password(conn, "ada", "x", 5),
        lambda conn: set_role(conn, "ada", PageRole.OWNER, 5),
        lambda conn: remove_account(conn, "ada"),
        lambda conn: get_account(conn, "ada"),
    ):
        with pytest.raises(NotFound):
            await db.write(unit)


async def test_session_is_begun_known_and_ended(db: Database) -> None:
    """By its token while it lasts; a login replaces what the browser had, a new password ends the rest."""

    def begin(conn: Connection) -> tuple[str, str]:
        add_account(conn, "ada", "hash", PageRole.OWNER, NOW_MS)
        first = _log_in(conn)
        return _log_in(conn, replaces=first), _log_in(conn)

    one, other = await db.write(begin)
    known = await db.read(lambda conn: known_session(conn, token_digest(one)))
    assert known is not None
    assert (known.account, known.role, known.seen_at) == ("ada", PageRole.OWNER, NOW_MS)
    listed = await db.read(lambda conn: list_sessions(conn, NOW_MS))
    assert len(listed) == 2
    assert await db.read(lambda conn: list_sessions(conn, NOW_MS + 31 * DAY_MS)) == []
    await db.write(lambda conn: note_seen(conn, token_digest(one), NOW_MS + 1000))
    await db.write(lambda conn: note_seen(conn, token_digest(other), NOW_MS + DAY_MS))
    seen = [view.seen_at for view in await db.read(lambda conn: list_sessions(conn, NOW_MS))]
    assert seen == [NOW_MS + DAY_MS, NOW_MS]
    assert await db.write(lambda conn: set_password(conn, "ada", "new", NOW_MS, keep=known.id)) == 1
    assert await db.read(lambda conn: known_session(conn, token_digest(other))) is None
    stale = await db.write(
        lambda conn: session_of_account(conn, "ada", "hash", browser="", replaces=None, now_ms=NOW_MS)
    )
    assert stale is None
    assert await db.write(lambda conn: end_session_named(conn, known.id))
    assert not await db.write(lambda conn: end_session_named(conn, known.id))
    assert await db.write(end_every_session) == 0


@pytest.mark.parametrize("role", [None, *PageRole])
async def test_login_code_gives_its_role_once(db: Database, role: PageRole | None) -> None:
    """One that an older program made, without a role, is an owner's."""
    await db.write(lambda conn: new_code(conn, "login", "code", now_ms=NOW_MS, lifetime_ms=1000, role=role))
    trade = partial(session_by_code, code="code", browser="", replaces=None, now_ms=NOW_MS + 1)
    token = await db.write(trade)
    assert token is not None
    session = await db.read(lambda conn: known_session(conn, token_digest(token)))
    assert session is not None
    assert (session.account, session.role) == (None, role or PageRole.OWNER)
    assert await db.write(trade) is None


async def test_people_are_listed_by_what_they_are(db: Database) -> None:
    """Owners, members, strangers; the newest of each first."""
    roles = ("stranger", "member", "owner", "member")
    rows = [
        {"bot_id": 1, "user_id": n, "name": f"p{n}", "role": role, "created_at": n}
        for n, role in enumerate(roles)
    ]
    await db.write(lambda conn: conn.execute(insert(people), rows))
    found = await db.read(list_people)
    assert [person.name for person in found] == ["p2", "p3", "p1", "p0"]

    def change(conn: Connection) -> None:
        change_role(conn, found[3].id, Role.MEMBER)
        forget_person(conn, found[0].id)

    await db.write(change)
    assert [person.name for person in await db.read(list_people)] == ["p3", "p1", "p0"]


async def test_audit_is_filtered_and_named(db: Database) -> None:
    """Newest first, by who, action and time, behind an entry; names are told once each."""
    rows = [
        {"created_at": n * 10, "who": f"w{n % 2}", "action": f"a{n % 3}", "subject": str(n)}
        for n in range(1, 13)
    ]
    await db.write(lambda conn: conn.execute(insert(audit), rows))
    query = select(audit.c.id).where(audit.c.subject == "3")
    third = await db.read(lambda conn: conn.execute(query).scalar_one())

    async def subjects(**wanted: Any) -> list[str]:
        asked = WantedEntries(5, **wanted)
        return [entry.subject for entry in await db.read(lambda conn: list_entries(conn, asked))]

    assert await subjects() == ["12", "11", "10", "9", "8"]
    assert await subjects(before_id=third) == ["2", "1"]
    assert await subjects(who="w1", action="a0") == ["9", "3"]
    assert await subjects(since_ms=30, until_ms=60) == ["5", "4", "3"]
    assert await subjects(since_ms=1000) == await subjects(until_ms=10) == await subjects(who="x") == []
    assert await db.read(names_in_audit) == (["w0", "w1"], ["a0", "a1", "a2"])
