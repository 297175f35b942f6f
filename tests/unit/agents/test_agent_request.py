"""What agents send, where redirects lead, and what targets may ask for."""

from __future__ import annotations

import pytest

from wireroom.agents.request import (
    CallRequest,
    Outgoing,
    PromptRequest,
    encode_request,
    outgoing,
    read_request,
    redirected,
    wanted_delay,
)
from wireroom.callbacks.target import read_target
from wireroom.errors import BadInput

SENT = Outgoing(
    "POST",
    read_target("http://a.example/x?secret=s", takes_secret=False),
    {"Content-Type": "application/json", "Authorization": "Bearer t", "Cookie": "c", "X-Own": "1"},
    b"{}",
)


@pytest.mark.parametrize(
    "request_",
    [
        CallRequest("http://a/", "PUT", {"a": "b"}, {"x": [1, None, "ä"]}, 500),
        CallRequest("http://a/"),
        PromptRequest("Tidy up", {"repository": "r"}),
    ],
    ids=["call", "bare", "prompt"],
)
def test_request_survives_being_stored(request_: CallRequest | PromptRequest) -> None:
    """What is read back is what was stored, of either kind."""
    assert read_request(encode_request(request_)) == request_


def test_own_headers_replace_ours_in_any_case() -> None:
    """A Content-Type or key of the agent's own is the only one that is sent."""
    request = CallRequest("http://a/", headers={"content-TYPE": "text/plain", "idempotency-key": "mine"})
    names = [name.lower() for name in outgoing(request, "ours").headers]

    assert sorted(names) == ["content-type", "idempotency-key", "user-agent"]
    assert outgoing(request, "ours").headers["idempotency-key"] == "mine"


def test_secret_in_the_address_is_the_targets_own() -> None:
    """A `secret` parameter of a target stays where it is."""
    assert outgoing(CallRequest("http://a/?secret=s"), "k").target.url == "http://a/?secret=s"


@pytest.mark.parametrize(
    ("status", "location", "method", "url", "body"),
    [
        pytest.param(301, "/y", "GET", "http://a.example/y", None, id="301-to-get"),
        pytest.param(302, "y", "GET", "http://a.example/y", None, id="302-relative"),
        pytest.param(303, "/y", "GET", "http://a.example/y", None, id="303"),
        pytest.param(307, "/y", "POST", "http://a.example/y", b"{}", id="307-keeps"),
        pytest.param(308, "//b.example/", "POST", "http://b.example/", b"{}", id="308-elsewhere"),
    ],
)
def test_redirect_is_a_new_request(
    status: int, location: str, method: str, url: str, body: bytes | None
) -> None:
    """Redirects keep or drop method and body as browsers do."""
    moved = redirected(SENT, status, location)

    assert moved is not None
    assert (moved.method, moved.target.url, moved.body) == (method, url, body)


def test_credentials_stay_with_their_host() -> None:
    """Authorization and cookies follow a redirect within the origin, and nowhere else."""
    here, there = redirected(SENT, 307, "/y"), redirected(SENT, 307, "http://b.example/")

    assert here is not None
    assert there is not None
    assert here.headers == SENT.headers
    assert set(there.headers) == {"Content-Type", "X-Own"}


@pytest.mark.parametrize("status", [200, 204, 300, 304, 400, 500])
def test_other_answers_are_no_redirects(status: int) -> None:
    """Only the five redirects lead on, and only with a Location."""
    assert redirected(SENT, status, "/y") is None
    assert redirected(SENT, 302, None) is None


@pytest.mark.parametrize(
    "location", ["ftp://a/", "http://u:p@a/", "http://0x7f.1/", "file:///etc/passwd", "//[", "http://[::1"]
)
def test_redirect_to_what_is_no_address_is_refused(location: str) -> None:
    """A redirect is read as strictly as an agent's own target."""
    with pytest.raises(BadInput):
        redirected(SENT, 302, location)


@pytest.mark.parametrize(
    ("answer", "repetitions", "expected"),
    [
        pytest.param(b'{"requeue": true, "delay": 5000}', 0, 5_000, id="asked"),
        pytest.param(b'{"requeue": true}', 0, 0, id="at-once"),
        pytest.param(b'{"requeue": true, "delay": -5}', 0, 0, id="negative"),
        pytest.param(b'{"requeue": true, "delay": "soon"}', 0, 0, id="no-number"),
        pytest.param(b'{"requeue": true, "delay": 1e300}', 0, 30 * 86_400_000, id="too-long"),
        pytest.param(b'{"requeue": true}', 100, 1_000, id="no-storm"),
        pytest.param(b'{"requeue": "true"}', 0, None, id="a-string-is-not-true"),
        pytest.param(b'{"requeue": 1}', 0, None, id="one-is-not-true"),
        pytest.param(b'[{"requeue": true}]', 0, None, id="list"),
        pytest.param(b"", 0, None, id="empty"),
        pytest.param(b"\xff{", 0, None, id="no-text"),
    ],
)
def test_target_asks_to_be_called_again(answer: bytes, repetitions: int, expected: int | None) -> None:
    """Only `requeue: true` in a JSON object asks for it, within bounds."""
    assert wanted_delay(answer, repetitions) == expected
