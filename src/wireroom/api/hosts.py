"""Which Host names are ours: the defence of the page against DNS rebinding. Pure.

A page of a stranger can have its own name resolve to our address, but then the browser sends that name. An
address written in digits cannot be rebound, so every such address is ours.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from wireroom.settings import Settings


def own_hosts(settings: Settings) -> frozenset[str]:
    """Return the names that the settings declare as ours, in lower case."""
    public = urlsplit(settings.telegram_webhook_base_url).hostname or ""
    return frozenset(name.lower() for name in (settings.host, public, *settings.allowed_hosts) if name)


def came_by_tls(scheme: str, host: str, public_url: str) -> bool:
    """Tell whether a browser used TLS: with us, or with a proxy that serves our public https address.

    Args:
        scheme: Of the request as it reached us.
        host: The Host header's value.
        public_url: TELEGRAM_WEBHOOK_BASE_URL; may be empty.
    """
    public = urlsplit(public_url)
    if scheme == "https" or public.scheme != "https":
        return scheme == "https"
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name is not None and name.rstrip(".") == public.hostname


def is_own_host(host: str, own: Collection[str]) -> bool:
    """Tell whether a request with this Host header was meant for us.

    Args:
        host: The header's value, such as `localhost:8480`, `[::1]:8480` or `box.lan`.
        own: See `own_hosts`.
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in own:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
