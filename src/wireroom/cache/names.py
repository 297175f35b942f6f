"""Everything that is kept, by name: where, for how long, and what ends it. Pure.

`docs/performance/cache.md` has a row for each name, and a test holds the page to this file. Whoever wants to
keep something new adds it here; what is not here cannot be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Level(StrEnum):
    """Where a value may be kept, the fastest first."""

    MEMORY = "memory"
    REDIS = "redis"
    DISK = "disk"


class Source(StrEnum):
    """What a value was made from, which decides who can tell that it has changed."""

    ROWS = "rows"
    """Rows of the database. A change by this process is told after its commit; see `policy.keeping`."""
    FILES = "files"
    """Files of this machine. Nobody tells: the value carries its own proof, which is looked at each time."""
    FIGURES = "figures"
    """Rows, too, but as a measurement: it may be as old as its time, and says so."""
    CONTENT = "content"
    """Nothing but what the key says, such as a digest: it never changes."""


@dataclass(frozen=True, slots=True)
class Cached:
    """One kind of value that is kept."""

    name: str
    """In metrics and keys."""
    holds: str
    """What it is, for people."""
    source: Source
    ttl: timedelta
    """How long a value may be kept when nothing ends it before; some are kept up to a tenth shorter."""
    ends: str
    """What ends it before that time, for people."""
    memory_share: float
    """Of the memory for the cache, in (0, 1]."""
    lower: tuple[Level, ...] = ()
    """Levels below memory, the fastest first."""

    def __post_init__(self) -> None:
        """Refuse what could hide a write: a row on disk would outlive the process that knows of changes."""
        if self.source in {Source.ROWS, Source.FIGURES} and Level.DISK in self.lower:
            raise ValueError(f"{self.name}: rows are not kept on disk")
        if self.source is Source.FILES and Level.REDIS in self.lower:
            raise ValueError(f"{self.name}: another machine's files are not ours")


SETTINGS = Cached(
    "settings",
    "all system settings",
    Source.ROWS,
    timedelta(minutes=10),
    "a setting is written; another process commits to the file",
    memory_share=0.02,
)
SESSIONS = Cached(
    "sessions",
    "whose a page session is and how long it lasts, by the digest of its token; an unknown one is not kept",
    Source.ROWS,
    timedelta(minutes=10),
    "a session begins, ends or changes; another process commits to the file",
    memory_share=0.08,
)
CONVERSATIONS = Cached(
    "conversations",
    "a page of a list of conversations, with how many there are",
    Source.ROWS,
    timedelta(minutes=10),
    "a message or a conversation is stored or deleted; another process commits to the file",
    memory_share=0.25,
    lower=(Level.REDIS,),
)
TREES = Cached(
    "trees",
    "the tree of a folder's files, as JSON, with the times of its folders",
    Source.FILES,
    timedelta(days=1),
    "a time of a folder, or where a link leads, is no longer what it was; looked at each time",
    memory_share=0.35,
    lower=(Level.DISK,),
)
DEPTHS = Cached(
    "depths",
    "how many jobs each queue has and asks slots for, for /metrics",
    Source.FIGURES,
    timedelta(seconds=1),
    "nothing: a scrape may be a second old",
    memory_share=0.01,
)

NAMES = (SETTINGS, SESSIONS, CONVERSATIONS, TREES, DEPTHS)
"""Everything that is kept."""
