"""What the routes are given: the running service's parts, built by `app`."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wireroom.agents.desk import AgentDesk
from wireroom.api.access_passwords import Passwords
from wireroom.api.shared_budgets import Budgets, MemoryBudgets
from wireroom.cache.cache import Cache
from wireroom.clock import Clock
from wireroom.intake.ask import Asker
from wireroom.jobs.port import Jobs
from wireroom.perf.history_sampler import HistorySampler
from wireroom.perf.profile_shelf import ProfileShelf
from wireroom.perf.profiles import Profiler
from wireroom.runs.feed import Feed
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.system_settings import SystemSettings

WEB_LANE = "web:main"
"""The lane of the page's chat."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that routes use."""

    settings: Settings
    db: Database
    jobs: Jobs
    clock: Clock
    feed: Feed
    asker: Asker
    system_settings: SystemSettings
    desk: AgentDesk
    api_secret: str
    """What programs send as `Authorization: Bearer`, `X-Webhook-Secret` or `X-Admin-Secret`."""
    base_url: Callable[[], str]
    """The address people open, known once the port is."""
    fresh_pairing_code: Callable[[], Awaitable[str]] | None = None
    """Makes a pairing code; None without a bot."""
    problems: Callable[[], list[str]] = list
    """What is wrong just now, in plain words, such as a poller that gets nothing."""
    profiler: Profiler | None = None
    """Looks into this process on request; None for a command, which serves nothing."""
    history: HistorySampler | None = None
    """What the last day was like; None for a command."""
    shelf: ProfileShelf | None = None
    """The last profiles; None for a command."""
    cache: Cache = field(default_factory=Cache.off)
    """What is kept of answers to questions that come often; a command keeps nothing."""
    changes: Callable[[], int | None] = lambda: None
    """A number that is another one after each write to the database; None when others write unheard."""
    sign_talk: Callable[[str], Awaitable[str]] | None = None
    """Gives an address by which a browser may talk to a voice agent, by its id; None without a key."""
    passwords: Passwords = field(default_factory=Passwords)
    """Hashes what people log in by."""
    budgets: Budgets = field(default_factory=lambda: MemoryBudgets(time.monotonic))
    """Remember how often callers ask, and who has tried which name."""
