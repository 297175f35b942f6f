"""When an answer is the one that its caller has already: entity tags and conditional requests. Pure.

Source: RFC 9110, sections 8.8.3 ETag and 13.1.2 If-None-Match.
"""

from __future__ import annotations

import hashlib
import re

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_DIGEST_BYTES = 12


def etag_of(body: bytes) -> str:
    """Return the weak tag of a body, such as `W/"k3J9…"`: weak, since it may be sent compressed or not."""
    return f'W/"{hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()}"'


def has_already(if_none_match: str | None, etag: str) -> bool:
    """Tell whether the caller, by its `If-None-Match`, has what `etag` stands for; compared weakly."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    own = _TAG.fullmatch(etag)
    return own is not None and own[1] in _TAG.findall(if_none_match)
