"""The headers that hold a browser to what the page needs, and to nothing else.

Source: Content Security Policy Level 3; OWASP HTTP Headers Cheat Sheet.
"""

from __future__ import annotations

# Not `no-referrer`: with it a form of our own page would send `Origin: null`.
PLAIN_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""For every file."""

PAGE_HEADERS = {
    **PLAIN_HEADERS,
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""For every page."""
