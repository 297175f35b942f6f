"""Which calls need no secret."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from wireroom.api.cors import origin_of
from wireroom.api.open_access import is_open_call

ROUTES = ("/cursor", "/api/list/")
NETWORKS = (ip_network("172.18.0.0/16"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("path", "peer", "headers", "is_open"),
    [
        pytest.param("/cursor/execute", "172.18.0.5", {}, True, id="named route, named network"),
        pytest.param("/cursor", "172.18.0.5", {}, True, id="the route itself"),
        pytest.param("/cursor/execute", "::ffff:172.18.0.5", {}, True, id="an IPv4 caller of an IPv6 socket"),
        pytest.param("/cursor/execute", "fd00::1", {}, True, id="IPv6"),
        pytest.param("/api/list/x", "172.18.0.5", {}, True, id="below a route with a slash"),
        pytest.param("/cursor/execute", "172.18.0.5", {"user-agent": "node"}, True, id="a program"),
        pytest.param("/cursor-runner/callback", "172.18.0.5", {}, False, id="only begins alike"),
        pytest.param("/api/list", "172.18.0.5", {}, False, id="above the route"),
        pytest.param("/api/runs", "172.18.0.5", {}, False, id="another route"),
        pytest.param("/cursor/execute", "172.19.0.5", {}, False, id="another network"),
        pytest.param("/cursor/execute", "fe80::1", {}, False, id="another IPv6 network"),
        pytest.param("/cursor/execute", None, {}, False, id="no address"),
        pytest.param("/cursor/execute", "somewhere", {}, False, id="no address that can be read"),
        pytest.param("/cursor/execute", "172.18.0.5", {"origin": "http://a"}, False, id="a page"),
        pytest.param("/cursor/execute", "172.18.0.5", {"sec-fetch-site": "none"}, False, id="a browser"),
        pytest.param("/cursor/execute", "172.18.0.5", {"user-agent": "Mozilla/5.0"}, False, id="by its name"),
    ],
)
def test_open_call(path: str, peer: str | None, headers: dict[str, str], *, is_open: bool) -> None:
    """Only a program, only of a named network, only below a named route."""
    assert is_open_call(path, peer, headers, routes=ROUTES, networks=NETWORKS) is is_open


def test_nothing_is_open_by_default() -> None:
    """Without settings, nobody."""
    assert not is_open_call("/cursor", "172.18.0.5", {}, routes=(), networks=NETWORKS)
    assert not is_open_call("/cursor", "172.18.0.5", {}, routes=ROUTES, networks=())


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://a:3002/", "http://a:3002"),
        ("https://a/page?x", "https://a"),
        (" https://a ", "https://a"),
        ("", ""),
    ],
)
def test_origin_of_the_frontends_address(url: str, origin: str) -> None:
    """What browsers send as Origin."""
    assert origin_of(url) == origin
