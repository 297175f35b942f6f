"""Who may talk to the bot. Pure.

People are allowed by their numeric id (setting) or by a pairing code shown on the console and the page.
Everybody else is refused once, politely, and costs nothing more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from enum import StrEnum

_CODE_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
_CODE_LENGTH = 10


class Role(StrEnum):
    """What a known person is."""

    OWNER = "owner"
    """The first who paired, or named by the setting."""
    MEMBER = "member"
    STRANGER = "stranger"
    """Was refused once already."""


class Access(StrEnum):
    """What follows for a message."""

    GRANTED = "granted"
    REFUSE = "refuse"
    """Tell them, once."""
    SILENCE = "silence"
    """They have been told."""


def access_of(user_id: int, *, allowed: Collection[int], role: Role | None) -> Access:
    """Decide what a person's message may cause.

    Who writes in the name of a group or a channel may cause nothing: access is a person's.

    Args:
        user_id: The speaker's Telegram id; below 0 that of a group or channel.
        allowed: Ids from the setting.
        role: What the database knows of them; None for a newcomer.
    """
    if user_id > 0 and (user_id in allowed or role in {Role.OWNER, Role.MEMBER}):
        return Access.GRANTED
    return Access.SILENCE if role is Role.STRANGER else Access.REFUSE


def pairing_code(draw: bytes) -> str:
    """Return a code people can type, 10 letters and digits without look-alikes (about 49 bits).

    Args:
        draw: At least 10 random bytes; the caller's.
    """
    return "".join(_CODE_ALPHABET[byte % len(_CODE_ALPHABET)] for byte in draw[:_CODE_LENGTH])


def looks_like_code(text: str) -> bool:
    """Tell whether a stranger's message may be a pairing code, so that ordinary talk is not looked up."""
    word = text.strip().upper()
    return len(word) == _CODE_LENGTH and all(letter in _CODE_ALPHABET for letter in word)


def digest(code: str) -> str:
    """Return what is stored of a code or token: SHA-256, hex, of its upper-case form."""
    return hashlib.sha256(code.strip().upper().encode()).hexdigest()


def same_secret(given: str | None, expected: str) -> bool:
    """Compare in constant time; an empty or missing secret never matches."""
    if not given or not expected:
        return False
    return hmac.compare_digest(given.encode(errors="surrogatepass"), expected.encode())
