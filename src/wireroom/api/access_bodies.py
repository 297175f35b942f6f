"""The JSON of access: sessions, accounts, people of the bot, the audit."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, Field

from wireroom.api.access_accounts import Account
from wireroom.api.access_audit import Entry
from wireroom.api.access_rules import MOST_PASSWORD_CHARS, PageRole
from wireroom.api.access_sessions import SessionView
from wireroom.api.bodies import iso
from wireroom.intake.access import Role
from wireroom.intake.people import Person

_MOST_NAME_CHARS = 100


class MeBody(BaseModel):
    """Who is asking."""

    name: str = Field(description="As it stands in the audit.")
    role: PageRole
    account: str | None = Field(description="Null for a login link's session, and for programs.")
    session: str | None = Field(description="Id of the session; null for programs.")


class SessionBody(BaseModel):
    """A browser that is logged in."""

    id: str
    account: str | None = Field(description="Null: begun by a login link.")
    role: PageRole
    browser: str = Field(description="In a few words, as it said itself.")
    created_at: str
    seen_at: str = Field(description="To within five minutes.")
    expires_at: str
    this: bool = Field(description="The session that is asking.")

    @classmethod
    def of(cls, view: SessionView, own: str | None) -> SessionBody:
        """Return the session as it is sent."""
        return cls(
            id=view.id,
            account=view.account,
            role=view.role,
            browser=view.browser,
            created_at=iso(view.created_at),
            seen_at=iso(view.seen_at),
            expires_at=iso(view.expires_at),
            this=view.id == own,
        )


class SessionListBody(BaseModel):
    """Sessions, the most recently used first."""

    sessions: list[SessionBody]


class EndedBody(BaseModel):
    """How many sessions have ended."""

    ended: int


class AccountBody(BaseModel):
    """A name with a password."""

    name: str
    role: PageRole
    created_at: str
    changed_at: str = Field(description="When the password or the role was last changed.")

    @classmethod
    def of(cls, account: Account) -> AccountBody:
        """Return the account as it is sent."""
        return cls(
            name=account.name,
            role=account.role,
            created_at=iso(account.created_at),
            changed_at=iso(account.changed_at),
        )


class AccountListBody(BaseModel):
    """Accounts by name."""

    accounts: list[AccountBody]


class NewPassword(BaseModel):
    """A password for an account."""

    password: str = Field(max_length=5 * MOST_PASSWORD_CHARS)


class NewRole(BaseModel):
    """A role for an account."""

    role: PageRole


class NewAccount(NewPassword):
    """An account to be."""

    name: str = Field(max_length=_MOST_NAME_CHARS)
    role: PageRole = PageRole.VIEWER


class PersonBody(BaseModel):
    """Somebody who has written to a bot."""

    id: int
    bot_id: int
    user_id: int = Field(description="Telegram's number of the person.")
    name: str
    role: Role = Field(description="owner, member, or stranger for somebody who is not answered.")
    by_setting: bool = Field(description="May talk whatever the role, by WIREROOM_ALLOWED_USERS.")
    created_at: str

    @classmethod
    def of(cls, person: Person, allowed: Sequence[int]) -> PersonBody:
        """Return the person as it is sent."""
        return cls(
            id=person.id,
            bot_id=person.bot_id,
            user_id=person.user_id,
            name=person.name,
            role=person.role,
            by_setting=person.user_id in allowed,
            created_at=iso(person.created_at),
        )


class PersonListBody(BaseModel):
    """The people of the bots, those who may talk first."""

    people: list[PersonBody]
    allowed: list[int] = Field(description="Who may talk by WIREROOM_ALLOWED_USERS, known or not.")
    has_bot: bool


class NewPersonRole(BaseModel):
    """What a person shall be."""

    role: Role


class EntryBody(BaseModel):
    """One thing that was done."""

    id: int
    at: str
    who: str = Field(description="An account, `page` for a link's session, `program`, `network`, a chat, …")
    action: str
    subject: str
    detail: str | None

    @classmethod
    def of(cls, entry: Entry) -> EntryBody:
        """Return the entry as it is sent."""
        return cls(
            id=entry.id,
            at=iso(entry.created_at),
            who=entry.who,
            action=entry.action,
            subject=entry.subject,
            detail=entry.detail,
        )


class AuditBody(BaseModel):
    """A piece of the audit, newest first."""

    entries: list[EntryBody]
    next_cursor: str | None = Field(description="`cursor` of the next piece; null after the last.")


class AuditNamesBody(BaseModel):
    """What the audit can be asked for."""

    who: list[str]
    actions: list[str]
