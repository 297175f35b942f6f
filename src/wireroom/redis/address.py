"""What `REDIS_URL` means: one server, a cluster or a sentinel-guarded service. Pure; knows no client library.

    redis://user:password@host:6379/0          rediss:// is the same over TLS
    unix:///run/redis.sock?db=0
    redis+cluster://host1:7000,host2:7001
    redis+sentinel://host1:26379,host2:26379/service/0?sentinel_password=…

Passwords are percent-encoded, as in every URL. The messages of errors name no secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, unquote

from wireroom.errors import SettingsError

_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\s:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")
_DEFAULT_PORT = 6379
_SENTINEL_PORT = 26379
_LARGEST_PORT = 65_535
_TLS_OPTIONS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs"})
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_SECRET_OPTIONS = frozenset({"sentinel_password"})


class Kind(StrEnum):
    """How the servers hang together."""

    SINGLE = "single"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True)
class Address:
    """Where Redis is, and who we are there."""

    kind: Kind
    hosts: Sequence[tuple[str, int]]
    """The server, or those that know the others."""
    db: int = 0
    service: str = ""
    """What sentinels call the server."""
    path: str = ""
    """Of a socket on this machine; then there are no hosts."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Certificates, and who we are with the sentinels."""

    @property
    def shown(self) -> str:
        """The address for people: without any secret."""
        if self.path:
            return f"unix://{self.path}"
        scheme = ("rediss" if self.tls else "redis") + ("" if self.kind is Kind.SINGLE else f"+{self.kind}")
        hosts = ",".join(f"[{name}]:{port}" if ":" in name else f"{name}:{port}" for name, port in self.hosts)
        tail = f"/{self.service}" if self.service else ""
        return f"{scheme}://{hosts}{tail}/{self.db}"


def read_address(url: str) -> Address:
    """Return what the URL says.

    Raises:
        SettingsError: it cannot be meant.
    """
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    netloc, _, path = rest.partition("/")
    words = [unquote(word) for word in path.split("/") if word]
    base, _, suffix = scheme.partition("+")
    options = _options(query, sentinel=suffix == Kind.SENTINEL)
    if scheme == "unix":
        return Address(
            Kind.SINGLE, (), db=_number(options.pop("db", "0")), path=f"/{unquote(path)}", options=options
        )
    if base not in {"redis", "rediss"} or suffix not in {"", Kind.CLUSTER, Kind.SENTINEL}:
        raise SettingsError(f"REDIS_URL: {scheme}:// is no kind of Redis address; say redis://host:6379/0.")
    kind = Kind(suffix or Kind.SINGLE)
    userinfo, _, hosts = netloc.rpartition("@")
    username, _, password = userinfo.partition(":")
    service, db = _service_and_db(kind, words, options.pop("db", None))
    return Address(
        kind,
        _hosts(hosts, kind),
        db=db,
        service=service,
        username=unquote(username) or None,
        password=unquote(password) or None,
        tls=base == "rediss",
        options=options,
    )


def _hosts(text: str, kind: Kind) -> Sequence[tuple[str, int]]:
    found = []
    for word in text.split(","):
        match = _HOST.fullmatch(word or "localhost")
        if match is None or int(match["port"] or 1) not in range(1, _LARGEST_PORT + 1):
            raise SettingsError(f"REDIS_URL: {word!r} is no host with a port, such as redis.internal:6379.")
        default = _SENTINEL_PORT if kind is Kind.SENTINEL else _DEFAULT_PORT
        found.append((match["name"].strip("[]"), int(match["port"] or default)))
    if kind is Kind.SINGLE and len(found) > 1:
        raise SettingsError("REDIS_URL: several hosts are a redis+cluster:// or a redis+sentinel:// address.")
    return found


def _service_and_db(kind: Kind, words: Sequence[str], db: str | None) -> tuple[str, int]:
    """Return the service, which only sentinels have, and the database, which clusters do not have."""
    service, words = (words[0], words[1:]) if kind is Kind.SENTINEL and words else ("", words)
    if kind is Kind.SENTINEL and not service:
        raise SettingsError("REDIS_URL: name the service, as in redis+sentinel://host:26379/mymaster/0.")
    if len(words) > 1:
        raise SettingsError(
            f"REDIS_URL: after the hosts stands the database's number, not {'/'.join(words)!r}."
        )
    number = _number(db or (words[0] if words else "0"))
    if kind is Kind.CLUSTER and number:
        raise SettingsError("REDIS_URL: a cluster has database 0 alone.")
    return service, number


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise SettingsError(f"REDIS_URL: a database has a number, not {text!r}.")
    return int(text)


def _options(query: str, *, sentinel: bool) -> dict[str, str]:
    known = {"db"} | _TLS_OPTIONS | (_SENTINEL_OPTIONS if sentinel else frozenset())
    found = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(found.keys() - known):
        raise SettingsError(
            f"REDIS_URL: unknown option {', '.join(unknown)}; known are {', '.join(sorted(known))}."
        )
    return found
