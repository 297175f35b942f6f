"""How a callback's address is taken apart."""

from __future__ import annotations

import pytest

from wireroom.callbacks.target import MAX_URL_CHARS, is_elevenlabs, read_target
from wireroom.errors import BadInput


@pytest.mark.parametrize(
    ("url", "plain", "secret", "host", "port"),
    [
        ("http://app:3000/cb?secret=s3", "http://app:3000/cb", "s3", "app", 3000),
        ("https://a.example/cb", "https://a.example/cb", None, "a.example", 443),
        ("http://a.example", "http://a.example/", None, "a.example", 80),
        ("https://A.Example./x", "https://a.example./x", None, "a.example", 443),
        (
            "https://a.example/x?b=1&secret=s&c=%20#top",
            "https://a.example/x?b=1&c=%20",
            "s",
            "a.example",
            443,
        ),
        ("https://a.example/?secret=&secret=two", "https://a.example/", "two", "a.example", 443),
        ("https://a.example/?s%65cret=hid%20den", "https://a.example/", "hid den", "a.example", 443),
        ("https://a.example/?secrets=1", "https://a.example/?secrets=1", None, "a.example", 443),
        ("http://[::1]:80/x", "http://[::1]:80/x", None, "::1", 80),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/", None, "127.0.0.1", 8080),
        ("http://under_score.lan/", "http://under_score.lan/", None, "under_score.lan", 80),
        ("http://xn--bcher-kva.example/", "http://xn--bcher-kva.example/", None, "xn--bcher-kva.example", 80),
    ],
)
def test_address_is_taken_apart(url: str, plain: str, secret: str | None, host: str, port: int) -> None:
    """The secret is taken out, the rest of the query stays as it was."""
    target = read_target(url)
    assert (target.url, target.secret, target.host, target.port) == (plain, secret, host, port)
    again = read_target(target.url)
    assert (again.url, again.host, again.port) == (plain, host, port)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/cb",
        "/cb",
        "//example.com/cb",
        "http:///cb",
        "http://",
        "http:example.com",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:///run/docker.sock",
        "http+unix://%2Frun%2Fdocker.sock/",
        "javascript:alert(1)",
        "data:text/plain,x",
        "http://user@example.com/",
        "http://user:word@example.com/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1\\@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://example.com:x/",
        "http://example.com/a b",
        "http://example.com/\r\nX-Injected: 1",
        "http://example.com/\x00",
        "http://example.com/?secret=a%0d%0ab",
        "http://example.com/?secret=%00",
        "http://example.com/?secret=%20",
        "http://example.com/\u00fc",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1.1/",
        "http://127.0.0.01/",
        "http://0/",
        "http://256.1.1.1/",
        "http://a.example.1/",
        "http://a.0x10/",
        "http://a..example/",
        "http://.example/",
        "http://-a.example/",
        "http://a-.example/",
        "http://%31%32%37.0.0.1/",
        "http://localhost%00.example/",
        "http://[fe80::1%25eth0]/",
        "http://[::1/",
        "http://[::1].example/",
        "http://[v1.a]/",
        "http://[127.0.0.1]/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 126}example/",
        "http://example.com/" + "x" * MAX_URL_CHARS,
    ],
)
def test_address_that_cannot_be_meant_is_refused(url: str) -> None:
    """Odd schemes, users, ports, hosts and characters are refused."""
    with pytest.raises(BadInput):
        read_target(url)


def test_refusal_does_not_repeat_the_secret() -> None:
    """A message goes into logs and answers, so it never has the address in it."""
    with pytest.raises(BadInput) as caught:
        read_target("ftp://example.com/?secret=hidden-word")
    assert "hidden-word" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://elevenlabs-agent:3004/x", True),
        ("https://my-elevenlabs-agent.example/", True),
        ("https://api.elevenlabs.io/callback", True),
        ("https://api.elevenlabs.io/other", False),
        ("https://example.com/elevenlabs/callback", False),
        ("http://app:3000/cursor-runner/callback", False),
    ],
)
def test_voice_agent_is_known_by_its_address(url: str, expected: bool) -> None:
    """The host says it, or the host and the path together."""
    assert is_elevenlabs(read_target(url)) is expected


def test_origin_names_host_and_port_alone() -> None:
    """What is logged has no path and no query."""
    assert read_target("https://a.example/cb?token=x").origin == "https://a.example:443"
    assert read_target("http://[::1]/cb").origin == "http://[::1]:80"
