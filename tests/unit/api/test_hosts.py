"""Which Host names are ours."""

from __future__ import annotations

import pytest

from wireroom.api.hosts import came_by_tls, is_own_host, own_hosts
from wireroom.settings import Settings

OWN = {"box.lan"}


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        pytest.param("localhost:8480", True, id="localhost"),
        pytest.param("LOCALHOST", True, id="upper-case"),
        pytest.param("wire.localhost:1", True, id="below-localhost"),
        pytest.param("localhost.", True, id="trailing-dot"),
        pytest.param("127.0.0.1:8480", True, id="loopback"),
        pytest.param("192.168.1.7", True, id="digits-cannot-be-rebound"),
        pytest.param("[::1]:8480", True, id="ipv6"),
        pytest.param("box.lan:8480", True, id="declared"),
        pytest.param("evil.example", False, id="stranger"),
        pytest.param("localhost.evil.example", False, id="disguised"),
        pytest.param("127.0.0.1.evil.example", False, id="disguised-digits"),
        pytest.param("sub.box.lan", False, id="below-declared"),
        pytest.param("[::1", False, id="broken"),
        pytest.param("", False, id="missing"),
    ],
)
def test_host_is_ours_or_not(host: str, ours: bool) -> None:
    """A name is ours when it is loopback's, written in digits, or declared."""
    assert is_own_host(host, OWN) is ours


def test_own_hosts_come_from_every_setting_that_names_one() -> None:
    """HOST, the public address and WIREROOM_ALLOWED_HOSTS declare names, in lower case."""
    settings = Settings(
        host="Box.lan", telegram_webhook_base_url="https://Wire.example:8443/x", allowed_hosts=("Other",)
    )
    assert own_hosts(settings) == {"box.lan", "wire.example", "other"}


@pytest.mark.parametrize(
    ("scheme", "host", "public_url", "secure"),
    [
        pytest.param("https", "box.lan", "", True, id="our-own-tls"),
        pytest.param("http", "bot.example", "https://Bot.Example/base", True, id="proxy"),
        pytest.param("http", "bot.example:443", "https://bot.example", True, id="proxy-with-port"),
        pytest.param("http", "localhost:8480", "https://bot.example", False, id="beside-the-proxy"),
        pytest.param("http", "bot.example", "http://bot.example", False, id="public-without-tls"),
        pytest.param("http", "", "https://", False, id="nothing"),
        pytest.param("http", "[", "https://bot.example", False, id="no-host"),
    ],
)
def test_tls_is_known_behind_a_proxy(scheme: str, host: str, public_url: str, secure: bool) -> None:
    """The Host of our public https address came by TLS, whatever the proxy speaks with us."""
    assert came_by_tls(scheme, host, public_url) is secure
