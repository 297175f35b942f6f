"""The one HTTP session for everything that the service calls."""

from __future__ import annotations

import aiohttp

from wireroom.callbacks.lookups import Lookups


def http_session(lookups: Lookups) -> aiohttp.ClientSession:
    """Return the session for all outgoing calls; it drops idle connections before servers do."""
    connector = aiohttp.TCPConnector(limit=200, keepalive_timeout=15, resolver=lookups)
    return aiohttp.ClientSession(connector=connector)
