"""What has changed, as the caches are told: by a unit once its commit is durable, or by another process.

A unit that writes rows from which something is kept says so on its connection:

    after_commit(conn, CONVERSATIONS_CHANGED)

Nothing is told of a unit that fails. A test holds every statement that writes such rows to this.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from weakref import WeakSet

import msgspec


class Changed(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is no longer true; also the message between replicas, as a MessagePack array."""

    tags: frozenset[str] = frozenset()
    keys: frozenset[tuple[str, str]] = frozenset()
    """(name, key)."""
    patterns: frozenset[tuple[str, str]] = frozenset()
    """(name, pattern of keys)."""

    def __bool__(self) -> bool:
        """Tell whether anything has changed."""
        return bool(self.tags or self.keys or self.patterns)

    @property
    def size(self) -> int:
        """How many things it names."""
        return len(self.tags) + len(self.keys) + len(self.patterns)

    def __or__(self, other: Changed) -> Changed:
        """Return both changes as one."""
        return Changed(self.tags | other.tags, self.keys | other.keys, self.patterns | other.patterns)

    def about(self, names: Collection[str]) -> Changed:
        """Return the part of it that concerns these names; a tag `name:…` is the name's own."""
        return Changed(
            frozenset(tag for tag in self.tags if tag.partition(":")[0] in names),
            frozenset(one for one in self.keys if one[0] in names),
            frozenset(one for one in self.patterns if one[0] in names),
        )

    def touches(self, name: str, key: str, tags: Iterable[str]) -> bool:
        """Tell whether an entry that depends on these tags is no longer true."""
        return (
            not self.tags.isdisjoint(tags)
            or (name, key) in self.keys
            or any(name == of and fnmatch.fnmatchcase(key, pattern) for of, pattern in self.patterns)
        )


Listener = Callable[[Changed], None]


@dataclass(frozen=True, slots=True)
class TagChanged:
    """Tells every cache of this process that what depends on the tag is no longer true.

    Called on the event loop after a commit; equal ones of one commit are called once.
    """

    tag: str

    def __call__(self) -> None:
        """Tell it."""
        tell(Changed(tags=frozenset((self.tag,))))


class Hears:
    """What is told of changes for as long as it lives."""

    def hear(self, changed: Changed) -> None:
        """Take note of it."""
        raise NotImplementedError


_hearers: WeakSet[Hears] = WeakSet()
"""Every cache of this process; one that is gone is not in it any more."""


def listen(hearer: Hears) -> None:
    """Tell the hearer of every change from now on."""
    _hearers.add(hearer)


def leave(hearer: Hears) -> None:
    """Tell the hearer nothing more."""
    _hearers.discard(hearer)


def tell(changed: Changed) -> None:
    """Tell every cache of this process."""
    for hearer in list(_hearers):
        hearer.hear(changed)


CONVERSATIONS_CHANGED = TagChanged("conversations")
SETTINGS_CHANGED = TagChanged("settings")
SESSIONS_CHANGED = TagChanged("sessions")
TAG_OF_TABLE = {
    "conversations": CONVERSATIONS_CHANGED,
    "system_settings": SETTINGS_CHANGED,
    "page_sessions": SESSIONS_CHANGED,
}
"""Who writes rows of the table tells this."""
