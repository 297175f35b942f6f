"""The headers of a callback: the older ones that carry the secret, and a signature that needs none. Pure."""

from __future__ import annotations

import hashlib
import hmac

USER_AGENT = "cursor-runner/1.0"
"""Source: contract of cursor-runner, section 2.9; receivers look for it."""
SIGNATURE_HEADER = "X-Wireroom-Signature"


def callback_headers(
    body: bytes, *, idempotency_key: str, url_secret: str | None, own_secret: str, trusted: bool, now: int
) -> dict[str, str]:
    """Return the headers of one try.

    The secret itself goes only where it came from (`url_secret`), or, if the address had none, ours to a
    host that the operator trusts. A signature tells nothing of its key, so every try has one.

    Args:
        body: What is sent, byte for byte.
        idempotency_key: The same for every try of this callback.
        url_secret: What the callback's address said, None when it said nothing.
        own_secret: The installation's; empty for none.
        trusted: See `guard.Allowed.trusted`.
        now: Seconds since the epoch.
    """
    headers = {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "Idempotency-Key": idempotency_key,
    }
    sent = url_secret or (own_secret if trusted else "")
    if sent:
        headers["X-Webhook-Secret"] = headers["X-Cursor-Runner-Secret"] = sent
    if key := url_secret or own_secret:
        headers[SIGNATURE_HEADER] = sign(body, key, now)
    return headers


def sign(body: bytes, key: str, now: int) -> str:
    """Return `t=<now>,v1=<hex>`, where v1 = HMAC-SHA256(key, "<now>." + body)."""
    digest = hmac.new(key.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={now},v1={digest}"
