"""The headers that hold a browser to what the page needs, and to nothing else.

Source: Content Security Policy Level 3; OWASP HTTP Headers Cheat Sheet.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

# Not `no-referrer`: with it a form of our own page would send `Origin: null`.
PLAIN_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""For every file."""


def page_headers(styles: Iterable[bytes]) -> dict[str, str]:
    """Return the headers for every page.

    Args:
        styles: What may stand between `<style>` and `</style>`, byte for byte; nothing else is obeyed there.
    """
    inlined = "".join(f" 'sha256-{_digest(style)}'" for style in styles)
    return {
        **PLAIN_HEADERS,
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'self'; style-src 'self'{inlined}; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "X-Frame-Options": "DENY",
    }


def _digest(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()
