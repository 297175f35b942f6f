"""What stands before the routes, from the outside in: budgets, time limits, compression, kept answers.

The hot routes go around all of it, and so do calls from inside.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp

from wireroom.api.agent_tools import PATH as VOICE_PATH
from wireroom.api.caching import ResponseCache, Rule
from wireroom.api.callback_inbox import PATH as CALLBACK_PATH
from wireroom.api.chat_files import PATH as FILES_PATH
from wireroom.api.compression import compressing
from wireroom.api.lazy_routes import DESCRIPTION_PATH
from wireroom.api.operator import PATH as OPERATOR_PATH
from wireroom.api.rate_limits import RateLimits
from wireroom.api.services import Services
from wireroom.api.telegram_admin import WEBHOOK_PATH
from wireroom.api.time_limits import TimeLimits
from wireroom.cache.cache import Cache
from wireroom.cache.changes import CONVERSATIONS_CHANGED, SESSIONS_CHANGED
from wireroom.mcp.door import PATH as TOOLS_PATH

_NEVER_REFUSED = frozenset({"/health", "/ready", WEBHOOK_PATH, CALLBACK_PATH, f"{OPERATOR_PATH}/callback"})
"""Probes, and where others bring what they may not keep."""
_UNHURRIED = ("/cursor/", "/cursor-runner/", "/git/", "/admin/", FILES_PATH, VOICE_PATH, TOOLS_PATH)
"""Work that may take as long as a run, git, a slow sender, or as was asked for; each has its own limits."""
_DESCRIPTION_SECONDS = 3600.0
_CONVERSATIONS = ("/api/list", "/conversations/api/list")
_OTHER_LISTS = (
    "/agents",
    "/api/runs",
    "/api/deliveries",
    "/api/callbacks",
    "/api/agent/list",
    "/agent-conversations/api/list",
)
"""What pages ask for every few seconds; not the board, whose rows others write."""


class _Changes:
    """Counts what the caches hear of tags."""

    def __init__(self, cache: Cache, *tags: str) -> None:
        self.heard = 0
        for tag in tags:
            cache.watch(tag, self._hear)

    def _hear(self) -> None:
        self.heard += 1


def front(app: ASGIApp, services: Services, state: Callable[[], int]) -> ASGIApp:
    """Return the routes with what stands before them; `state` changes with each write to the database."""
    settings = services.settings
    kept = ResponseCache(app, rules=_rules(services, state))
    shrunk = compressing(kept) if settings.compression else kept
    timed = TimeLimits(shrunk, seconds=settings.request_seconds, unhurried=_UNHURRIED)
    return RateLimits(
        timed,
        api_secret=services.api_secret,
        per_identity=settings.identity_requests_per_minute,
        per_address=settings.address_requests_per_minute,
        exempt=_NEVER_REFUSED,
        budgets=services.budgets,
    )


def _rules(services: Services, state: Callable[[], int]) -> dict[str, Rule]:
    """Return what is kept: nothing of rows that others may write without our hearing of it."""
    rules = {DESCRIPTION_PATH: Rule(_DESCRIPTION_SECONDS, None)}
    seconds, is_file = services.settings.response_cache_seconds, services.db.dialect == "sqlite"
    if seconds and is_file:
        rules |= dict.fromkeys(_OTHER_LISTS, Rule(seconds, state))
    if seconds and (is_file or services.cache.has_replicas):
        changes = _Changes(services.cache, CONVERSATIONS_CHANGED.tag, SESSIONS_CHANGED.tag)
        rules |= dict.fromkeys(_CONVERSATIONS, Rule(seconds, lambda: changes.heard))
    return rules
