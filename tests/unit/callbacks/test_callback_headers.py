"""What the headers of a callback say, and to whom."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from wireroom.callbacks.headers import SIGNATURE_HEADER, USER_AGENT, callback_headers

BODY = b'{"success":true}'


@pytest.mark.parametrize(
    ("url_secret", "own", "trusted", "sent", "key"),
    [
        pytest.param("theirs", "ours", False, "theirs", "theirs", id="the-addresses-own-to-a-stranger"),
        pytest.param("theirs", "ours", True, "theirs", "theirs", id="the-addresses-own-to-a-trusted-host"),
        pytest.param(None, "ours", True, "ours", "ours", id="ours-to-a-trusted-host"),
        pytest.param(None, "ours", False, None, "ours", id="never-ours-to-a-stranger"),
        pytest.param(None, "", True, None, None, id="no-secret-at-all"),
    ],
)
def test_secret_goes_only_where_it_may(
    url_secret: str | None, own: str, trusted: bool, sent: str | None, key: str | None
) -> None:
    """Both older headers carry the same secret or none; the signature is there whenever there is a key."""
    headers = callback_headers(
        BODY, idempotency_key="callback-1-2", url_secret=url_secret, own_secret=own, trusted=trusted, now=1700
    )
    assert headers.get("X-Webhook-Secret") == headers.get("X-Cursor-Runner-Secret") == sent
    assert (SIGNATURE_HEADER in headers) is (key is not None)
    if key is not None:
        digest = hmac.new(key.encode(), b"1700." + BODY, hashlib.sha256).hexdigest()
        assert headers[SIGNATURE_HEADER] == f"t=1700,v1={digest}"
    assert (headers["Idempotency-Key"], headers["User-Agent"]) == ("callback-1-2", USER_AGENT)
    assert "ours" not in [value for name, value in headers.items() if not trusted and name]
