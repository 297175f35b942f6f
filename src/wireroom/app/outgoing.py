"""The one HTTP session for everything that the service calls, and what is known of the hosts it calls."""

from __future__ import annotations

import time

import aiohttp

from wireroom.callbacks.lookups import Lookups
from wireroom.outbound.hosts import HoldPolicy, Hosts
from wireroom.outbound.trips import counting
from wireroom.perf.metrics import OUTBOUND_HELD
from wireroom.settings import Settings

_MOST_CONNECTIONS = 200
_IDLE_SECONDS = 15.0


def http_session(lookups: Lookups, settings: Settings) -> aiohttp.ClientSession:
    """Return the session for all outgoing calls; it drops idle connections before servers do."""
    connector = aiohttp.TCPConnector(
        limit=_MOST_CONNECTIONS,
        limit_per_host=settings.connections_per_host,
        keepalive_timeout=_IDLE_SECONDS,
        resolver=lookups,
    )
    return aiohttp.ClientSession(connector=connector, trace_configs=[counting()])


def known_hosts(settings: Settings) -> Hosts:
    """Return the memory of which hosts fail, shared by all who call addresses that others have named."""
    policy = HoldPolicy(failures=settings.host_failures, hold_seconds=settings.host_hold_seconds)
    hosts = Hosts(policy, time.monotonic)
    OUTBOUND_HELD.set_function(lambda: hosts.held)
    return hosts
