"""What of a setting may be shown: addresses without what may be secret in them. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

_HIDDEN = "…"


def without_secrets(text: str) -> str:
    """Return an address with `…` for its user, password, query and fragment; other text as it is.

    `postgresql://ann:secret@db/wireroom?sslkey=x` is `postgresql://…@db/wireroom?…`.
    """
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return _HIDDEN
    login, at, place = parts.netloc.rpartition("@")
    shown = f"{parts.scheme}://{_HIDDEN + at if login or at else ''}{place}{parts.path}"
    return f"{shown}?{_HIDDEN}" if parts.query or parts.fragment else shown
