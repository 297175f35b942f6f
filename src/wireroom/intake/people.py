"""Units of work on who may talk, and on the codes that let people in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, case, delete, insert, select, update

from wireroom.errors import NotFound
from wireroom.intake.access import Role, digest, looks_like_code
from wireroom.intake.bots import is_active
from wireroom.intake.commands import CommandName, parse_command
from wireroom.intake.update import Said, Speaker, read_update
from wireroom.store.schema import access_codes, people, updates
from wireroom.store.statement import Statement

MOST_PEOPLE = 1000
"""That are listed: strangers are noted one by one, and anybody can be one."""

_ROLE_OF = Statement("SELECT role FROM people WHERE bot_id = :bot_id AND user_id = :user_id")
"""What a person is; asked for every message."""

_ROLE_OF_CODE = Statement("SELECT role FROM access_codes WHERE digest = :digest")
"""What a login link gives."""

_SET_ROLE = Statement("""
    INSERT INTO people (bot_id, user_id, name, role, created_at)
    VALUES (:bot_id, :user_id, :name, :role, :now_ms)
    ON CONFLICT (bot_id, user_id) DO UPDATE SET role = excluded.role, name = excluded.name
""")
"""Note what a person is now; a crowd of strangers is noted one by one, too."""


_PEOPLE = select(
    people.c.id, people.c.bot_id, people.c.user_id, people.c.name, people.c.role, people.c.created_at
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has written to a bot."""

    id: int
    bot_id: int
    user_id: int
    name: str
    role: Role
    created_at: int


def list_people(conn: Connection) -> Sequence[Person]:
    """Return the people of all bots: owners, members, then strangers, the newest first."""
    known = [Role.OWNER.value, Role.MEMBER.value, Role.STRANGER.value]
    place = case({role: place for place, role in enumerate(known)}, value=people.c.role)
    query = _PEOPLE.order_by(place, people.c.id.desc()).limit(MOST_PEOPLE)
    return [_person(row) for row in conn.execute(query)]


def get_person(conn: Connection, person_id: int) -> Person:
    """Return one person.

    Raises:
        NotFound: there is none of this id.
    """
    row = conn.execute(_PEOPLE.where(people.c.id == person_id)).first()
    if row is None:
        raise NotFound(f"There is no person {person_id}.")
    return _person(row)


def change_role(conn: Connection, person_id: int, role: Role) -> None:
    """Say what a person is from now on."""
    conn.execute(update(people).where(people.c.id == person_id).values(role=role.value))


def forget_person(conn: Connection, person_id: int) -> None:
    """Make a person somebody new."""
    conn.execute(delete(people).where(people.c.id == person_id))


def role_of(conn: Connection, bot_id: int, user_id: int) -> Role | None:
    """Return what the database knows of a person, None for a newcomer."""
    role: str | None = _ROLE_OF.value(conn, bot_id=bot_id, user_id=user_id)
    return None if role is None else Role(role)


def note_stranger(conn: Connection, bot_id: int, speaker: Speaker, now_ms: int) -> None:
    """Remember that this person was refused, so that it is said only once."""
    _set_role(conn, bot_id, speaker, Role.STRANGER, now_ms)


def new_code(
    conn: Connection, purpose: str, code: str, *, now_ms: int, lifetime_ms: int, role: str | None = None
) -> None:
    """Make a code valid once, for `lifetime_ms`. Only its digest is stored.

    Args:
        conn: The unit's.
        purpose: `login`, or a `pairing_purpose`.
        code: As it is given to a person.
        now_ms: The time.
        lifetime_ms: Until it is too old.
        role: Of a login code: what its session may do.
    """
    conn.execute(
        insert(access_codes).values(
            digest=digest(code),
            purpose=purpose,
            role=role,
            created_at=now_ms,
            expires_at=now_ms + lifetime_ms,
        )
    )


def role_of_code(conn: Connection, code: str) -> str | None:
    """Return what a login code's session may do."""
    role: str | None = _ROLE_OF_CODE.value(conn, digest=digest(code))
    return role


def use_code(conn: Connection, purpose: str, code: str, now_ms: int) -> bool:
    """Use up a valid code; False when it is unknown, used, or too old."""
    done = conn.execute(
        update(access_codes)
        .where(
            access_codes.c.digest == digest(code),
            access_codes.c.purpose == purpose,
            access_codes.c.used_at.is_(None),
            access_codes.c.expires_at > now_ms,
        )
        .values(used_at=now_ms)
    )
    return done.rowcount == 1


def pair(conn: Connection, bot_id: int, speaker: Speaker, code: str, now_ms: int) -> bool:
    """Let the person in if the code is valid for this bot; the first to pair becomes its owner."""
    purpose = pairing_purpose(bot_id if is_active(conn, bot_id) is not None else None)
    if not use_code(conn, purpose, code, now_ms):
        return False
    owner = select(people.c.id).where(people.c.bot_id == bot_id, people.c.role == Role.OWNER)
    role = Role.MEMBER if conn.execute(owner).first() else Role.OWNER
    _set_role(conn, bot_id, speaker, role, now_ms)
    return True


def pairing_purpose(added_bot_id: int | None) -> str:
    """Return what a code is for that lets people talk to an added bot, or, for None, to the settings' one."""
    return "pairing" if added_bot_id is None else f"pairing:{added_bot_id}"


def pairs(conn: Connection, bot_id: int, said: Said, now_ms: int) -> bool:
    """Tell whether a stranger's message is a valid pairing code, and let them in if it is."""
    command = parse_command(said.text)
    code = command.rest if command and command.name in {CommandName.PAIR, CommandName.START} else said.text
    by_person = said.speaker.user_id > 0
    return by_person and looks_like_code(code) and pair(conn, bot_id, said.speaker, code, now_ms)


def stored_text(conn: Connection, row_id: int, lane: str) -> str | None:
    """Return what a stored message of the lane said, None when its text is no longer kept."""
    query = select(updates.c.payload).where(updates.c.id == row_id, updates.c.lane == lane)
    payload: str | None = conn.execute(query).scalar_one_or_none()
    if payload is None:
        return None
    said = read_update(payload)
    return said.words if isinstance(said, Said) else None


def _set_role(conn: Connection, bot_id: int, speaker: Speaker, role: Role, now_ms: int) -> None:
    _SET_ROLE.run(
        conn,
        bot_id=bot_id,
        user_id=speaker.user_id,
        name=speaker.name,
        role=role.value,
        now_ms=now_ms,
    )


def _person(row: Row[int, int, int, str, str, int]) -> Person:
    person_id, bot_id, user_id, name, role, created_at = row
    return Person(person_id, bot_id, user_id, name, Role(role), created_at)
