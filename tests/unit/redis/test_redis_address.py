"""What a Redis address means."""

from __future__ import annotations

import pytest

from wireroom.errors import SettingsError
from wireroom.redis.address import Address, Kind, read_address


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost:6379/0", Address(Kind.SINGLE, [("localhost", 6379)])),
        ("redis://redis/3", Address(Kind.SINGLE, [("redis", 6379)], db=3)),
        ("redis://redis?db=4", Address(Kind.SINGLE, [("redis", 6379)], db=4)),
        (
            "rediss://me:p%40ss@[::1]:7/1?ssl_cert_reqs=none",
            Address(
                Kind.SINGLE,
                [("::1", 7)],
                db=1,
                username="me",
                password="p@ss",
                tls=True,
                options={"ssl_cert_reqs": "none"},
            ),
        ),
        ("redis://:word@h", Address(Kind.SINGLE, [("h", 6379)], password="word")),
        ("unix:///run/redis.sock?db=2", Address(Kind.SINGLE, (), db=2, path="/run/redis.sock")),
        ("redis+cluster://a:1,b:2,c", Address(Kind.CLUSTER, [("a", 1), ("b", 2), ("c", 6379)])),
        (
            "redis+sentinel://:x@a,b:2/main/5?sentinel_password=y",
            Address(
                Kind.SENTINEL,
                [("a", 26379), ("b", 2)],
                db=5,
                service="main",
                password="x",
                options={"sentinel_password": "y"},
            ),
        ),
    ],
    ids=["plain", "default port", "db option", "tls", "password alone", "socket", "cluster", "sentinel"],
)
def test_address_is_taken_apart(url: str, expected: Address) -> None:
    """Each kind of address says where the servers are and who we are there."""
    assert read_address(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "redis+ring://host",
        "redis://a,b",
        "redis://host:0",
        "redis://host:70000",
        "redis://ho st",
        "redis://host/x",
        "redis://host/0/1",
        "redis+cluster://host/1",
        "redis+sentinel://host",
        "redis://:secret@host?password=secret",
    ],
)
def test_unusable_address_is_refused_by_name(url: str) -> None:
    """What cannot be meant stops the program, names the variable and shows no secret."""
    with pytest.raises(SettingsError, match="REDIS_URL") as raised:
        read_address(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:secret@host:1/2",
        "redis+cluster://me:secret@a:1,[::1]:2",
        "rediss+sentinel://:secret@a:1,b:2/main/0?sentinel_password=secret",
        "unix:///run/redis.sock",
    ],
)
def test_shown_address_has_no_secret(url: str) -> None:
    """What people and logs see of an address holds no password, neither does its repr."""
    address = read_address(url)

    assert "secret" not in address.shown + repr(address)
    assert read_address(address.shown).hosts == address.hosts
