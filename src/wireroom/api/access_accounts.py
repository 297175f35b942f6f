"""Units of work on accounts: names with a password, by which people log in to the page.

Whatever makes a password or a role another one ends the sessions that were begun by the old one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from wireroom.api.access_rules import PageRole
from wireroom.api.access_sessions import NewSession, change_role_of_session, end_sessions_of, store_session
from wireroom.errors import Conflict, NotFound
from wireroom.store.schema import page_accounts
from wireroom.store.statement import Statement

MOST_ACCOUNTS = 200

_FIND = Statement("SELECT password_hash, role FROM page_accounts WHERE name = :name")
"""What a login is held against."""

_ANY = Statement("SELECT name FROM page_accounts WHERE name > '' LIMIT 1")
"""Whether the login page asks for a password at all."""


_ADD = Statement("""
    INSERT INTO page_accounts (name, password_hash, role, created_at, changed_at)
    VALUES (:name, :password_hash, :role, :now_ms, :now_ms)
    ON CONFLICT (name) DO NOTHING
""")
"""Of two that add the same name, one comes first."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as people see it."""

    name: str
    role: PageRole
    created_at: int
    changed_at: int


def has_accounts(conn: Connection) -> bool:
    """Tell whether anybody can log in by a password."""
    return _ANY.row(conn) is not None


def list_accounts(conn: Connection) -> Sequence[Account]:
    """Return every account by name."""
    table = page_accounts.c
    query = select(table.name, table.role, table.created_at, table.changed_at).order_by(table.name)
    return [Account(row.name, PageRole(row.role), *row[2:]) for row in conn.execute(query)]


def get_account(conn: Connection, name: str) -> Account:
    """Return one account.

    Raises:
        NotFound: there is none of this name.
    """
    found = next((account for account in list_accounts(conn) if account.name == name), None)
    if found is None:
        raise NotFound(f"There is no account {name}.")
    return found


def hash_of(conn: Connection, name: str) -> str | None:
    """Return the hash of an account's password, None for an unknown account."""
    found: str | None = _FIND.value(conn, name=name)
    return found


def add_account(conn: Connection, name: str, password_hash: str, role: PageRole, now_ms: int) -> Account:
    """Store a new account.

    Raises:
        Conflict: there is one of this name, or there are too many.
    """
    if len(list_accounts(conn)) >= MOST_ACCOUNTS:
        raise Conflict(f"There are {MOST_ACCOUNTS} accounts already. Remove one first.")
    row = {"name": name, "password_hash": password_hash, "role": role.value, "now_ms": now_ms}
    if not _ADD.run(conn, **row):
        raise Conflict(f"There is an account {name} already.")
    return Account(name, role, now_ms, now_ms)


def set_password(
    conn: Connection, name: str, password_hash: str, now_ms: int, *, keep: str | None = None
) -> int:
    """Give the account another password and end its sessions but `keep`, an id; return how many.

    Raises:
        NotFound: there is none of this name.
    """
    _change(conn, name, {"password_hash": password_hash, "changed_at": now_ms})
    return end_sessions_of(conn, name, but=keep)


def set_role(conn: Connection, name: str, role: PageRole, now_ms: int, *, keep: str | None = None) -> int:
    """Give the account another role and end its sessions but `keep`, which has the new role; return how many.

    Raises:
        NotFound: there is none of this name.
    """
    _change(conn, name, {"role": role.value, "changed_at": now_ms})
    if keep is not None:
        change_role_of_session(conn, keep, role)
    return end_sessions_of(conn, name, but=keep)


def remove_account(conn: Connection, name: str) -> int:
    """Remove the account and end its sessions; return how many.

    Raises:
        NotFound: there is none of this name.
    """
    if conn.execute(delete(page_accounts).where(page_accounts.c.name == name)).rowcount != 1:
        raise NotFound(f"There is no account {name}.")
    return end_sessions_of(conn, name)


def session_of_account(
    conn: Connection, name: str, checked: str, *, browser: str, replaces: str | None, now_ms: int
) -> str | None:
    """Begin a session of an account and return its token.

    Args:
        conn: The unit's.
        name: The account's.
        checked: The hash that the password was held against; None is returned if the password has become
            another one meanwhile.
        browser: See `NewSession`.
        replaces: See `NewSession`.
        now_ms: The time.
    """
    row = _FIND.row(conn, name=name)
    if row is None or row[0] != checked:
        return None
    return store_session(conn, NewSession(name, PageRole(row[1]), browser, replaces), now_ms)


def _change(conn: Connection, name: str, values: dict[str, object]) -> None:
    done = conn.execute(update(page_accounts).where(page_accounts.c.name == name).values(**values))
    if done.rowcount != 1:
        raise NotFound(f"There is no account {name}.")
