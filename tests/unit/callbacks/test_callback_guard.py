"""Which addresses callbacks may go to, and where our secret may go."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.callbacks.guard import Allowed, Guard, Kind, Refused, kind_of, read_rules
from wireroom.callbacks.target import address_of
from wireroom.errors import SettingsError

ANY = "0.0.0.0"  # noqa: S104 - to be refused, not bound
PUBLIC = ("8.8.8.8", "1.1.1.1", "93.184.216.34", "172.32.0.1", "172.15.255.255", "11.0.0.0", "9.255.255.255")
PUBLIC_V6 = ("2606:4700:4700::1111", "2a00:1450:4001::1", "2400:cb00::1")
INSIDE = {
    ANY: Kind.UNSPECIFIED,
    "0.1.2.3": Kind.UNSPECIFIED,
    "10.0.0.0": Kind.PRIVATE,
    "10.255.255.255": Kind.PRIVATE,
    "100.64.0.1": Kind.CARRIER,
    "100.100.100.200": Kind.CARRIER,
    "100.127.255.255": Kind.CARRIER,
    "127.0.0.1": Kind.LOOPBACK,
    "127.255.255.254": Kind.LOOPBACK,
    "168.63.129.16": Kind.PLATFORM,
    "169.254.169.254": Kind.LINK_LOCAL,
    "169.254.170.2": Kind.LINK_LOCAL,
    "172.16.0.1": Kind.PRIVATE,
    "172.31.255.255": Kind.PRIVATE,
    "192.0.0.192": Kind.RESERVED,
    "192.0.2.1": Kind.RESERVED,
    "192.88.99.1": Kind.RESERVED,
    "192.168.1.1": Kind.PRIVATE,
    "198.18.0.1": Kind.RESERVED,
    "198.19.255.255": Kind.RESERVED,
    "198.51.100.7": Kind.RESERVED,
    "203.0.113.7": Kind.RESERVED,
    "224.0.0.1": Kind.MULTICAST,
    "239.255.255.250": Kind.MULTICAST,
    "240.0.0.1": Kind.RESERVED,
    "255.255.255.255": Kind.RESERVED,
    "::": Kind.UNSPECIFIED,
    "::1": Kind.LOOPBACK,
    "::7f00:1": Kind.EMBEDDED,
    "::127.0.0.1": Kind.EMBEDDED,
    "::ffff:127.0.0.1": Kind.EMBEDDED,
    "::ffff:10.0.0.1": Kind.EMBEDDED,
    "::ffff:169.254.169.254": Kind.EMBEDDED,
    "::ffff:8.8.8.8": Kind.EMBEDDED,
    "::ffff:0:127.0.0.1": Kind.RESERVED,
    "64:ff9b::7f00:1": Kind.EMBEDDED,
    "64:ff9b::a9fe:a9fe": Kind.EMBEDDED,
    "64:ff9b:1::7f00:1": Kind.EMBEDDED,
    "100::1": Kind.RESERVED,
    "2001::1": Kind.EMBEDDED,
    "2001:2::1": Kind.RESERVED,
    "2001:20::1": Kind.RESERVED,
    "2001:db8::1": Kind.RESERVED,
    "2002:7f00:1::": Kind.EMBEDDED,
    "2002:a9fe:a9fe::1": Kind.EMBEDDED,
    "3fff::1": Kind.RESERVED,
    "4000::1": Kind.RESERVED,
    "5f00::1": Kind.RESERVED,
    "fc00::1": Kind.PRIVATE,
    "fd00:ec2::254": Kind.PRIVATE,
    "fe80::1": Kind.LINK_LOCAL,
    "febf::1": Kind.LINK_LOCAL,
    "fec0::1": Kind.RESERVED,
    "ff02::1": Kind.MULTICAST,
    "ff0e::1": Kind.MULTICAST,
}
"""What must not be called by default, with what it is."""


def judged(
    host: str, *addresses: str, rules: str = "", port: int = 443, loopback: bool = False
) -> Allowed | Refused:
    """Return what the guard says of a host that resolves so; a literal resolves to itself."""
    guard = Guard(read_rules(rules.split()), loopback)
    return guard.judge(host, [ip_address(one) for one in addresses or (host,)], port)


@pytest.mark.parametrize("address", [*PUBLIC, *PUBLIC_V6])
def test_public_address_is_allowed_and_not_trusted(address: str) -> None:
    """A public address may be called, by itself or by a name, and never gets our secret."""
    assert judged(address) == Allowed(trusted=False)
    assert judged("hooks.example.com", address) == Allowed(trusted=False)


@pytest.mark.parametrize(("address", "kind"), INSIDE.items())
def test_address_inside_is_refused(address: str, kind: Kind) -> None:
    """It is refused by itself, behind a name, and beside a public one; the reason says what it is."""
    assert kind_of(ip_address(address)) is kind
    for verdict in (judged(address), judged("a.example", address), judged("a.example", "8.8.8.8", address)):
        assert isinstance(verdict, Refused)
        assert kind.value in verdict.reason
        assert "WIREROOM_CALLBACK_HOSTS" in verdict.reason


@given(st.ip_addresses(v=4))
def test_no_address_that_python_calls_inside_passes(address: object) -> None:
    """Whatever the standard library does not call global is refused: our table misses none of it."""
    found = ip_address(str(address))
    if not found.is_global or found.is_multicast:
        assert kind_of(found) is not None


@given(st.ip_addresses(v=6))
def test_no_ipv6_address_that_python_calls_inside_passes(address: object) -> None:
    """The same for IPv6, where only global unicast is public at all."""
    found = ip_address(str(address))
    if not found.is_global or found.is_multicast or found not in ip_network("2000::/3"):
        assert kind_of(found) is not None


@pytest.mark.parametrize(
    ("host", "address", "rules", "port", "passes"),
    [
        pytest.param("app", "172.18.0.3", "app", 3000, True, id="by-name"),
        pytest.param("app", "172.18.0.3", "APP", 3000, True, id="in-any-case"),
        pytest.param("app", "172.18.0.3", "app:3000", 3000, True, id="by-name-and-port"),
        pytest.param("app", "172.18.0.3", "app:3000", 22, False, id="at-another-port"),
        pytest.param("app.evil.example", "172.18.0.3", "app", 3000, False, id="below-a-name"),
        pytest.param("myapp", "172.18.0.3", "app", 3000, False, id="name-that-ends-so"),
        pytest.param("a.corp.lan", "10.1.2.3", "*.corp.lan", 80, True, id="below-a-suffix"),
        pytest.param("a.b.corp.lan", "10.1.2.3", "*.corp.lan", 80, True, id="far-below-a-suffix"),
        pytest.param("corp.lan", "10.1.2.3", "*.corp.lan", 80, False, id="the-suffix-itself"),
        pytest.param("evilcorp.lan", "10.1.2.3", "*.corp.lan", 80, False, id="suffix-without-its-dot"),
        pytest.param("a.corp.lan", "10.1.2.3", "*.corp.lan:8080", 80, False, id="suffix-at-another-port"),
        pytest.param("10.1.2.3", "10.1.2.3", "10.0.0.0/8", 80, True, id="in-a-network"),
        pytest.param("runner", "10.1.2.3", "10.0.0.0/8", 80, True, id="name-in-a-network"),
        pytest.param("runner", "10.1.2.3", "10.0.0.0/8:80", 80, True, id="name-in-a-network-at-its-port"),
        pytest.param("runner", "10.1.2.3", "10.0.0.0/8:81", 80, False, id="network-at-another-port"),
        pytest.param("runner", "11.1.2.3", "10.1.2.3", 80, False, id="another-address"),
        pytest.param("10.1.2.3", "10.1.2.3", "10.1.2.3", 80, True, id="one-address"),
        pytest.param("fd00::5", "fd00::5", "fd00::/8", 80, True, id="ipv6-network"),
        pytest.param("fd00::5", "fd00::5", "[fd00::5]:80", 80, True, id="ipv6-address-and-port"),
        pytest.param("fd00::5", "fd00::5", "[fd00::5]:81", 80, False, id="ipv6-address-at-another-port"),
        pytest.param("meta", "169.254.169.254", "meta", 80, False, id="metadata-by-a-name"),
        pytest.param("meta", ANY, "meta", 80, False, id="unspecified-by-a-name"),
        pytest.param("meta", "ff02::1", "meta", 80, False, id="multicast-by-a-name"),
        pytest.param("meta", "::ffff:169.254.169.254", "meta", 80, False, id="mapped-by-a-name"),
        pytest.param("meta", "169.254.169.254", "169.254.169.254", 80, True, id="metadata-if-named-itself"),
        pytest.param("a.example", "::ffff:10.0.0.1", "10.0.0.0/8", 80, False, id="mapped-is-not-its-ipv4"),
    ],
)
def test_allow_list_lets_in_what_it_names(
    host: str, address: str, rules: str, port: int, passes: bool
) -> None:
    """What the list names may be called and is trusted; nothing that only resembles it."""
    verdict = judged(host, address, rules=rules, port=port)
    assert verdict == Allowed(trusted=True) if passes else isinstance(verdict, Refused) or not verdict.trusted
    if kind_of(ip_address(address)) is not None:
        assert isinstance(verdict, Allowed) is passes


def test_host_is_trusted_only_if_all_of_it_is() -> None:
    """A name with one address in an allowed network and a public one may be called, without our secret."""
    assert judged("x", "10.0.0.1", "8.8.8.8", rules="10.0.0.0/8") == Allowed(trusted=False)
    assert judged("x", "10.0.0.1", "10.0.0.2", rules="10.0.0.0/8") == Allowed(trusted=True)
    assert judged("x", "8.8.8.8", rules="x") == Allowed(trusted=True)


@pytest.mark.parametrize(
    ("host", "address", "passes"),
    [
        pytest.param("localhost", "127.0.0.1", True, id="localhost"),
        pytest.param("localhost", "::1", True, id="localhost-ipv6"),
        pytest.param("app.localhost", "127.0.0.1", True, id="below-localhost"),
        pytest.param("127.0.0.1", "127.0.0.1", True, id="address"),
        pytest.param("127.9.9.9", "127.9.9.9", True, id="another-loopback-address"),
        pytest.param("::1", "::1", True, id="ipv6"),
        pytest.param("rebound.example", "127.0.0.1", False, id="a-strangers-name"),
        pytest.param("localhost.evil.example", "127.0.0.1", False, id="a-name-that-begins-so"),
        pytest.param("localhost", "10.0.0.1", False, id="localhost-elsewhere"),
        pytest.param("::ffff:127.0.0.1", "::ffff:127.0.0.1", False, id="mapped"),
        pytest.param(ANY, ANY, False, id="unspecified"),
    ],
)
def test_this_machine_may_be_allowed_by_its_own_names(host: str, address: str, passes: bool) -> None:
    """With loopback allowed its own names are, and are trusted; other names that lead to it are not."""
    assert (judged(host, address, loopback=True) == Allowed(trusted=True)) is passes
    assert isinstance(judged(host, address), Refused)


def test_host_without_an_address_is_refused() -> None:
    """Nothing to check is nothing to allow."""
    assert isinstance(Guard().judge("x", [], 80), Refused)


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "http://x", "x:0", "x:99999", "x:y", "10.0.0.0/33", "a b", "[::1"]
)
def test_entry_that_cannot_be_meant_stops_the_start(entry: str) -> None:
    """The message names the setting."""
    with pytest.raises(SettingsError, match="WIREROOM_CALLBACK_HOSTS"):
        read_rules([entry])


def test_odd_spelling_is_no_address() -> None:
    """Only the usual spelling of an address is one; a zone makes it none."""
    assert address_of("127.0.0.1") == ip_address("127.0.0.1")
    for odd in ("127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "127.0.0.01", "fe80::1%eth0", "localhost"):
        assert address_of(odd) is None
