"""Which calls need no secret: named routes, for programs of named networks. Pure.

For callers of the older services that can send nothing. A browser is no such program: any page that somebody
in the network looks at could otherwise call us in their name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from wireroom.agent_settings import Network


def is_open_call(
    path: str,
    peer: str | None,
    headers: Mapping[str, str],
    *,
    routes: Sequence[str],
    networks: Sequence[Network],
) -> bool:
    """Tell whether the call may pass without a secret.

    Args:
        path: The request's path.
        peer: The address that the connection comes from; behind a proxy, the proxy's.
        headers: The request's, names in lower case.
        routes: Paths that are open, with all below them.
        networks: Where open calls may come from.
    """
    if not routes or peer is None or _is_browser(headers):
        return False
    if not any(path == route or path.startswith(f"{route.rstrip('/')}/") for route in routes):
        return False
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain.version == network.version and plain in network for network in networks)


def _is_browser(headers: Mapping[str, str]) -> bool:
    if "origin" in headers or "sec-fetch-site" in headers:
        return True
    return headers.get("user-agent", "").startswith("Mozilla/")
