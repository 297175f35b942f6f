"""Which addresses callbacks may go to: the defence against requests forged through us. Pure.

Whoever names a callback's address makes this machine send a request, from inside its network. So only public
addresses are called, and others only if the operator named them. The decision is on *resolved* addresses, and
`callbacks.client` connects to those very addresses, so a name that resolves to something else a moment later
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network

from wireroom.callbacks.target import Address, address_of
from wireroom.errors import SettingsError

_Network = IPv4Network | IPv6Network
_SETTING = "WIREROOM_CALLBACK_HOSTS"
_MAX_PORT = 65_535


class Kind(StrEnum):
    """What an address is, when it is not public; completes "it is …"."""

    LOOPBACK = "a loopback address"
    PRIVATE = "a private address"
    CARRIER = "an address of carrier-grade NAT"
    RESERVED = "a reserved address"
    LINK_LOCAL = "a link-local address, where clouds keep their metadata"
    PLATFORM = "an address of the cloud platform itself"
    UNSPECIFIED = "the unspecified address"
    MULTICAST = "a multicast address"
    EMBEDDED = "an IPv6 address that stands for an IPv4 one"


_NEVER_BY_NAME = frozenset(
    {Kind.LINK_LOCAL, Kind.PLATFORM, Kind.UNSPECIFIED, Kind.MULTICAST, Kind.EMBEDDED, Kind.RESERVED}
)
"""What a host that is allowed by its name may still not resolve to; an allowed network can say so."""

# Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; the platform's from Azure's documentation.
_SPECIAL: tuple[tuple[_Network, Kind], ...] = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", Kind.UNSPECIFIED),
        ("10.0.0.0/8", Kind.PRIVATE),
        ("100.64.0.0/10", Kind.CARRIER),
        ("127.0.0.0/8", Kind.LOOPBACK),
        ("168.63.129.16/32", Kind.PLATFORM),
        ("169.254.0.0/16", Kind.LINK_LOCAL),
        ("172.16.0.0/12", Kind.PRIVATE),
        ("192.0.0.0/24", Kind.RESERVED),
        ("192.0.2.0/24", Kind.RESERVED),
        ("192.88.99.0/24", Kind.RESERVED),
        ("192.168.0.0/16", Kind.PRIVATE),
        ("198.18.0.0/15", Kind.RESERVED),
        ("198.51.100.0/24", Kind.RESERVED),
        ("203.0.113.0/24", Kind.RESERVED),
        ("224.0.0.0/4", Kind.MULTICAST),
        ("240.0.0.0/4", Kind.RESERVED),
        ("::/128", Kind.UNSPECIFIED),
        ("::1/128", Kind.LOOPBACK),
        ("::/96", Kind.EMBEDDED),
        ("::ffff:0:0/96", Kind.EMBEDDED),
        ("64:ff9b::/96", Kind.EMBEDDED),
        ("64:ff9b:1::/48", Kind.EMBEDDED),
        ("2001::/32", Kind.EMBEDDED),
        ("2001::/23", Kind.RESERVED),
        ("2001:db8::/32", Kind.RESERVED),
        ("2002::/16", Kind.EMBEDDED),
        ("3fff::/20", Kind.RESERVED),
        ("fc00::/7", Kind.PRIVATE),
        ("fe80::/10", Kind.LINK_LOCAL),
        ("ff00::/8", Kind.MULTICAST),
    )
)
_GLOBAL_UNICAST = ip_network("2000::/3")


def kind_of(address: Address) -> Kind | None:
    """Return what the address is, None for a public one."""
    for network, kind in _SPECIAL:
        if address.version == network.version and address in network:
            return kind
    return None if address.version == 4 or address in _GLOBAL_UNICAST else Kind.RESERVED  # noqa: PLR2004 - IP


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of the allow list."""

    name: str | None
    """An exact name, or `.suffix` for every name below it; None for a network."""
    network: _Network | None
    port: int | None
    """None for any port."""

    def names(self, host: str, port: int) -> bool:
        """Tell whether the entry allows this host by its name."""
        if self.name is None or self.port not in {None, port}:
            return False
        return host.endswith(self.name) if self.name.startswith(".") else host == self.name

    def holds(self, address: Address, port: int) -> bool:
        """Tell whether the entry allows this address."""
        return self.network is not None and self.port in {None, port} and address in self.network


def read_rules(entries: Iterable[str]) -> tuple[Rule, ...]:
    """Return the allow list of the setting.

    Args:
        entries: Such as `runner`, `*.example.com`, `10.0.0.0/8`, `fd00::1`, each with `:port` if it is for
            one port only (`[fd00::1]:3000`).

    Raises:
        SettingsError: names the entry that cannot be meant.
    """
    return tuple(_rule(entry.strip().lower()) for entry in entries)


@dataclass(frozen=True, slots=True)
class Allowed:
    """The callback may be sent."""

    trusted: bool
    """True for what the operator allowed, and this machine where it is allowed: our secret may go there."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The callback must not be sent."""

    reason: str
    """Says what to set, if it was meant."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The operator's rules."""

    rules: tuple[Rule, ...] = ()
    allow_loopback: bool = False
    """Whether this machine may be called by its own names (`localhost`, 127.0.0.1, ::1)."""

    def judge(self, host: str, addresses: Sequence[Address], port: int) -> Allowed | Refused:
        """Decide on a host and everything that it resolved to; one address that is not allowed is enough.

        Args:
            host: As `Target.host`.
            addresses: All that the host resolved to, at least one.
            port: Where the connection would go.
        """
        if not addresses:
            return Refused(f"{host} has no address.")
        named = self._is_named(host, addresses, port)
        for address in addresses:
            kind = kind_of(address)
            if kind is None or self._holds(address, port) or (named and kind not in _NEVER_BY_NAME):
                continue
            remedy = "name that address" if named else f"name {host}"
            return Refused(f"{host} is {address}: {kind}. If that is meant, {remedy} in {_SETTING}.")
        return Allowed(trusted=named or all(self._holds(address, port) for address in addresses))

    def _holds(self, address: Address, port: int) -> bool:
        return any(rule.holds(address, port) for rule in self.rules)

    def _is_named(self, host: str, addresses: Sequence[Address], port: int) -> bool:
        if any(rule.names(host, port) for rule in self.rules):
            return True
        # A stranger's name that resolves to this machine is no name of this machine.
        own_name = host == "localhost" or host.endswith(".localhost") or address_of(host) is not None
        return (
            self.allow_loopback
            and own_name
            and all(kind_of(address) is Kind.LOOPBACK for address in addresses)
        )


def _rule(entry: str) -> Rule:
    host, port = _split_port(entry)
    try:
        return Rule(None, ip_network(host), port)
    except ValueError as error:
        suffix = host.removeprefix("*.")
        if not suffix or not all(
            part.replace("-", "").replace("_", "").isalnum() for part in suffix.split(".")
        ):
            raise SettingsError(
                f"{_SETTING}: {entry!r} is no host. Expected a name, *.name, an address or a network"
                " such as 10.0.0.0/8, each with :port if only one is meant."
            ) from error
        return Rule(suffix if suffix == host else f".{suffix}", None, port)


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        host, closed, port = entry[1:].partition("]")
        host, port = (host if closed else ""), port.removeprefix(":")
    elif entry.count(":") > 1:
        host, port = entry, ""
    else:
        host, _, port = entry.partition(":")
    if not port:
        return host, None
    if not port.isdecimal() or not 0 < int(port) <= _MAX_PORT:
        raise SettingsError(f"{_SETTING}: {entry!r} names no port between 1 and {_MAX_PORT}.")
    return host, int(port)
