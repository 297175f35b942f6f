"""Hashes passwords with argon2id, on threads, a few at once, since each needs 46 MiB for a moment.

Parameters: RFC 9106, section 4; OWASP Password Storage Cheat Sheet names 46 MiB and one pass as enough.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_AT_ONCE = 2
_MOST_WAITING = 20
_MEMORY_KIB = 46 * 1024
_PASSES = 1
_LANES = 1
_SALT_BYTES = 16
_HASH_BYTES = 32


class Passwords:
    """Makes and checks hashes."""

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._of_nobody = _hash_of_nobody()

    async def hash(self, password: str) -> str:
        """Return what is stored of the password.

        Raises:
            HTTPException: 503, too many passwords are being looked at.
        """
        async with self._place():
            return await asyncio.to_thread(make_hash, password)

    async def is_right(self, password: str, stored: str | None) -> bool:
        """Tell whether the password is the stored one; None, for an unknown account, takes as long.

        Raises:
            HTTPException: 503, too many passwords are being looked at.
        """
        async with self._place():
            fits = await asyncio.to_thread(fits_hash, password, stored or self._of_nobody)
        return fits and stored is not None

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Wait for one of the few places."""
        if self._waiting >= _MOST_WAITING:
            raise HTTPException(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Many people log in just now. Try again.",
                {"Retry-After": "5"},
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()


def make_hash(password: str) -> str:
    """Return the hash with its salt and parameters, `$argon2id$v=19$m=47104,t=1,p=1$…$…`; takes its time."""
    return _hasher().hash(password)


def fits_hash(password: str, stored: str) -> bool:
    """Tell whether the hash is this password's; takes its time."""
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see `_hasher`

    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher  # noqa: PLC0415 - an installation without accounts never needs it

    return PasswordHasher(_PASSES, _MEMORY_KIB, _LANES, hash_len=_HASH_BYTES, salt_len=_SALT_BYTES)


def _hash_of_nobody() -> str:
    """Return a hash that no password has, and that takes as long to check as any other."""
    salt, found = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${salt}${found}"
