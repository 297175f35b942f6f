"""Switches that people change while everything runs: rows of `system_settings`, shared with other programs.

The table exists in two shapes (`name` as the key, or an `id` of its own beside a unique `name`); every
statement here works on both. Names that this release does not know belong to other programs and are kept.
What differs between installations and is read once at start is in `settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

from sqlalchemy import Connection, insert

from wireroom.cache.cache import Cache
from wireroom.cache.changes import SETTINGS_CHANGED
from wireroom.cache.names import SETTINGS
from wireroom.clock import from_ms
from wireroom.errors import BadInput, NotFound
from wireroom.store.database import Database, after_commit
from wireroom.store.schema import audit
from wireroom.store.statement import Statement

_LARGEST = 2**31 - 1
"""What an INTEGER column of either database takes."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_ALL_OF_THEM = "all"
_CHANGED = "setting.set"
_LOOKED_BACK = 10_000
"""Rows of the audit, from the newest on, that are looked at for the last change."""
_TAGS = (SETTINGS_CHANGED.tag,)
_WORDS = {"on": 1, "true": 1, "yes": 1, "off": 0, "false": 0, "no": 0}


@dataclass(frozen=True, slots=True)
class KnownSetting:
    """A switch that this release knows; its value is 1 (on) or 0 (off)."""

    name: str
    meaning: str
    default: int = 0
    """What counts while there is no row."""


KNOWN = {
    setting.name: setting
    for setting in (
        KnownSetting("allow_audio_output", "Answer voice messages with a voice message beside the text."),
        KnownSetting("debug", "For programs beside us: say more. Our own log follows LOG_LEVEL."),
        KnownSetting("gpt-review", "For older runners: have OpenAI review. Here: WIREROOM_REVIEW_BACKEND."),
        KnownSetting("task_operator", "Run the ready tasks of the board, lowest order first."),
    )
}
"""The documented switches, by name."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """That somebody changed a setting through Wireroom."""

    at: int
    """Milliseconds since the epoch."""
    who: str
    value: int


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting as people and programs see it."""

    name: str
    value: int
    default: int | None
    """None for a name that this release does not know."""
    meaning: str
    """Empty for a name that this release does not know."""
    updated_at: str | None
    """As whoever wrote it has put it, in UTC; None while there is no row."""


_ALL = Statement("SELECT name, value, updated_at FROM system_settings ORDER BY name")
"""Everything, for lists and for the cache; the table has a handful of rows."""

_ONE = Statement("SELECT value, updated_at FROM system_settings WHERE name = :name")
"""One setting."""

_PUT = Statement("""
    INSERT INTO system_settings (name, value, created_at, updated_at)
    VALUES (:name, :value, :now, :now)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
""")
"""Write a setting. Times are given, since one of the two shapes has no defaults for them."""

_LAST_CHANGE = Statement("""
    SELECT created_at, who, detail FROM audit
    WHERE id > (SELECT coalesce(max(id), 0) FROM audit) - :depth AND action = :action AND subject = :name
    ORDER BY id DESC LIMIT 1
""")
"""The newest row about one setting in the end of the audit, which has no index for it."""


def list_settings(conn: Connection) -> Sequence[SettingView]:
    """Return every row, and the known settings without one, by name."""
    stored = {name: (value, updated_at) for name, value, updated_at in _ALL.rows(conn)}
    return [_view(name, stored.get(name)) for name in sorted({*stored, *KNOWN})]


def get_setting(conn: Connection, name: str) -> SettingView:
    """Return one setting.

    Raises:
        NotFound: it has no row and this release does not know it.
    """
    row = _ONE.row(conn, name=name)
    if row is None and name not in KNOWN:
        raise NotFound(f"There is no setting {name}. Known: {', '.join(KNOWN)}.")
    return _view(name, row)


def is_on(conn: Connection, name: str) -> bool:
    """Tell whether a switch is on: its value is 1, as the older services read it."""
    row = _ONE.row(conn, name=name)
    return (_default_of(name) if row is None else _number(row[0])) == 1


def set_setting(conn: Connection, name: str, value: int, *, who: str, now_ms: int) -> SettingView:
    """Write a setting and a row of the audit; the value that it has already changes nothing.

    Once it is durable, every `SystemSettings` forgets what it read and tells its watchers.

    Args:
        conn: The unit's.
        name: A known setting, one that has a row, or a new one of letters, digits and . _ -
        value: 0 or 1 for a known setting; any 32-bit number for another.
        who: Who wishes it, for the audit.
        now_ms: The time.

    Raises:
        BadInput: the name or the value cannot be used.
    """
    row = _ONE.row(conn, name=name)
    before = None if row is None else _number(row[0])
    _check(name, value, is_new=row is None)
    if before != value:
        moment = from_ms(now_ms).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        _PUT.run(conn, name=name, value=value, now=moment)
        after_commit(conn, SETTINGS_CHANGED)
        said = f"{'unset' if before is None else before} to {value}"
        conn.execute(
            insert(audit).values(created_at=now_ms, who=who, action=_CHANGED, subject=name, detail=said)
        )
    return get_setting(conn, name)


def last_change(conn: Connection, name: str) -> SettingChange | None:
    """Return who last changed a setting; None when nobody did through us within the newest audit rows."""
    row = _LAST_CHANGE.row(conn, name=name, action=_CHANGED, depth=_LOOKED_BACK)
    return None if row is None else SettingChange(row[0], row[1], int(row[2].rpartition(" ")[2]))


def read_value(text: str) -> int:
    """Return the value that a person has typed: on, off, true, false, yes, no, or a number. Pure.

    Raises:
        BadInput: it is none of these.
    """
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    if re.fullmatch(r"-?[0-9]{1,10}", word):
        return int(word)
    raise BadInput(f"{text!r} is no value of a setting: say on, off, or a number.")


class SystemSettings:
    """The settings for readers that ask often: one read, kept until something changes."""

    def __init__(self, db: Database, cache: Cache | None = None) -> None:
        """Serve the settings of this database.

        What another process commits is seen when somebody tells of it: SQLite within about 250 ms, the bus
        between replicas at once. On PostgreSQL without a bus every question is a read.

        Args:
            db: Where the rows are.
            cache: The process's; one of their own when there is none.
        """
        self._db = db
        self._cache = cache or Cache.beside(db)
        self._kept = self._cache.open(SETTINGS, dict[str, int])

    async def is_on(self, name: str) -> bool:
        """Tell whether a switch is on."""
        values = await self._kept.get_or_compute(_ALL_OF_THEM, self._read, tags=_TAGS)
        return values.get(name, _default_of(name)) == 1

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever a setting may have changed, by us or by another program."""
        self._cache.watch(SETTINGS_CHANGED.tag, callback)

    async def warm(self) -> None:
        """Have them at hand before they are asked for."""
        await self._kept.get_or_compute(_ALL_OF_THEM, self._read, tags=_TAGS)

    async def _read(self) -> dict[str, int]:
        return await self._db.read(_values)


def _values(conn: Connection) -> dict[str, int]:
    return {name: _number(value) for name, value, _ in _ALL.rows(conn)}


def _view(name: str, row: Sequence[object] | None) -> SettingView:
    known = KNOWN.get(name)
    value, updated_at = (_default_of(name), None) if row is None else (_number(row[0]), row[1])
    return SettingView(
        name=name,
        value=value,
        default=known.default if known else None,
        meaning=known.meaning if known else "",
        updated_at=None if updated_at is None else str(updated_at),
    )


def _check(name: str, value: int, *, is_new: bool) -> None:
    if is_new and not _NAME.fullmatch(name):
        raise BadInput("A setting's name has up to 100 letters, digits and . _ - and begins with no mark.")
    if name in KNOWN and value not in {0, 1}:
        raise BadInput(f"{name} is a switch: 1 is on, 0 is off.")
    if abs(value) > _LARGEST:
        raise BadInput(f"The value of {name} must be a number from {-_LARGEST} to {_LARGEST}.")


def _default_of(name: str) -> int:
    known = KNOWN.get(name)
    return known.default if known else 0


def _number(value: object) -> int:
    """Return a stored value as a number; SQLite also keeps texts in the column, which count as off."""
    return int(value) if isinstance(value, (int, float)) else 0
