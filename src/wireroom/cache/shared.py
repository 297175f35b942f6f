"""The Redis level, which all replicas share: values with the tokens of what they depend on.

A tag has a token, a random word in a key of its own. A value is stored with the tokens that were there
*before* it was computed, and is given only while they still are: so a change that comes between reading the
rows and storing the value makes the value worthless, whoever stores it and however late. To tell a change is
to write new tokens. A lost token is a changed one.

    get    [value, token, token, …] in one round trip
    tell   SETEX token random … in one round trip, then the news to the other replicas' memory

While a change of our own is not told yet, what it touches is neither read nor written here.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import zlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from wireroom.cache.changes import Changed
from wireroom.cache.lower import NOTHING, Address, Looked, Stored
from wireroom.cache.names import Level
from wireroom.errors import RedisUnavailable
from wireroom.redis.keys import CACHE, CLAIM

TOKEN_SECONDS = 86_400
"""Longer than any value lives: an old value must not meet its own token again."""
_CLAIM_SECONDS = 5
"""How long others may have to wait for a replica that dies while it computes."""
_LARGEST_BYTES = 1024 * 1024
_BUCKETS = 16
_LONGEST_KEY = 200
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.005, 0.1


class Redis(Protocol):
    """What this level asks of `wireroom.redis.pool.RedisPool`; each may raise `RedisUnavailable`."""

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of these keys."""
        ...

    async def setex(self, key: str, ttl_seconds: int, value: bytes | str) -> None:
        """Write a value with its time to live."""
        ...

    async def setex_many(self, items: Sequence[tuple[str, int, bytes | str]]) -> None:
        """Write values with their times to live, in one round trip."""
        ...

    async def claim(self, key: str, word: str, ttl_seconds: int) -> bool:
        """Take a key for oneself."""
        ...

    async def release(self, key: str, word: str) -> bool:
        """Give it back."""
        ...


class _Envelope(msgspec.Struct, array_like=True):
    """A value as it lies in Redis."""

    tokens: list[bytes]
    made_at: float
    ttl: float
    packed: bytes


class SharedLevel:
    """Values in Redis."""

    level = Level.REDIS

    def __init__(
        self,
        redis: Redis,
        installation: str,
        is_untold: Callable[[Address], bool],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Use this Redis.

        Args:
            redis: See `Redis`.
            installation: What our keys begin with: others may share the server, and have other rows.
            is_untold: Tells whether a change of ours that touches the value still waits to be told.
            pause: Waits between two looks for what another replica computes.
        """
        self._redis = redis
        self._ours = installation
        self._is_untold = is_untold
        self._pause = pause
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(_Envelope)

    async def look(self, where: Address, longest: timedelta) -> Looked:
        """Return the value; without one, either the caller computes it, or another replica just did.

        When the other one takes longer than that, the caller computes as well.
        """
        if self._is_untold(where):
            return NOTHING
        try:
            return await self._look(where, longest.total_seconds())
        except RedisUnavailable:
            return NOTHING

    async def keep(self, where: Address, stored: Stored, ticket: Sequence[str]) -> None:
        """Keep the value under the tokens that the look has seen."""
        if not ticket:
            return
        if len(stored.packed) > _LARGEST_BYTES:
            await self.give_up(where, ticket)
            return
        word, *tokens = ticket
        envelope = _Envelope([token.encode() for token in tokens], stored.made_at, stored.ttl, stored.packed)
        try:
            if not self._is_untold(where):
                seconds = max(1, min(TOKEN_SECONDS, int(stored.ttl + 0.999)))
                await self._redis.setex(self._entry_key(where), seconds, self._encoder.encode(envelope))
            if word:
                await self._redis.release(self._claim_key(where), word)
        except RedisUnavailable:
            return

    async def give_up(self, where: Address, ticket: Sequence[str]) -> None:
        """Let the next one compute."""
        if not ticket or not ticket[0]:
            return
        try:
            await self._redis.release(self._claim_key(where), ticket[0])
        except RedisUnavailable:
            return

    async def forget(self, changed: Changed) -> bool:
        """Write new tokens for what has changed; False while Redis cannot be reached."""
        keys = [self._tag_key(tag) for tag in changed.tags]
        keys += [self._bucket_key(name, _bucket(key)) for name, key in changed.keys]
        keys += [self._bucket_key(name, bucket) for name, _ in changed.patterns for bucket in range(_BUCKETS)]
        try:
            await self._redis.setex_many([(key, TOKEN_SECONDS, _token()) for key in dict.fromkeys(keys)])
        except RedisUnavailable:
            return False
        return True

    async def _look(self, where: Address, longest: float) -> Looked:
        word, waited, pause = _token(), 0.0, _FIRST_PAUSE_SECONDS
        while True:
            stored, tokens = await self._read(where)
            if stored is not None:
                return Looked(stored, ("", *tokens))
            if waited >= longest:
                return Looked(None, ("", *tokens))
            if await self._redis.claim(self._claim_key(where), word, _CLAIM_SECONDS):
                return await self._claimed(where, word)
            await self._pause(pause)
            waited += pause
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _claimed(self, where: Address, word: str) -> Looked:
        """Return that the caller computes, unless the one before has left a value since the look."""
        stored, tokens = await self._read(where)
        if stored is None:
            return Looked(None, (word, *tokens))
        await self._redis.release(self._claim_key(where), word)
        return Looked(stored, ("", *tokens))

    async def _read(self, where: Address) -> tuple[Stored | None, Sequence[str]]:
        """Return the value, if what it depends on has not changed, and the tokens that are there now."""
        keys = [self._bucket_key(where.name, _bucket(where.key)), *(self._tag_key(tag) for tag in where.tags)]
        found, *tokens = await self._redis.get_many([self._entry_key(where), *keys])
        if None in tokens:
            for key, token in zip(keys, tokens, strict=True):
                if token is None:
                    await self._redis.claim(key, _token(), TOKEN_SECONDS)
            found, tokens = None, await self._redis.get_many(keys)
        stored = None if found is None else self._opened(found, tokens)
        return stored, [(token or b"").decode() for token in tokens]

    def _opened(self, found: bytes, tokens: Sequence[bytes | None]) -> Stored | None:
        try:
            envelope = self._decoder.decode(found)
        except msgspec.MsgspecError:
            return None
        # What its tags stood for when it was made; no secret.
        made_for, now = envelope.tokens, list(tokens)
        if made_for != now:
            return None
        return Stored(envelope.packed, envelope.made_at, envelope.ttl)

    def _entry_key(self, where: Address) -> str:
        return CACHE.key(f"{self._ours}:value:{where.name}:{_bounded(where.key)}")

    def _claim_key(self, where: Address) -> str:
        return CLAIM.key(f"cache:{self._ours}:{where.name}:{_bounded(where.key)}")

    def _bucket_key(self, name: str, bucket: int) -> str:
        return CACHE.key(f"{self._ours}:token:{name}:{bucket}")

    def _tag_key(self, tag: str) -> str:
        return CACHE.key(f"{self._ours}:token:tag:{_bounded(tag)}")


def _token() -> str:
    return secrets.token_hex(8)


def _bucket(key: str) -> int:
    """Return which of a name's keys share a token: to forget one key costs at most these their place here."""
    return zlib.crc32(key.encode()) % _BUCKETS


def _bounded(key: str) -> str:
    if len(key) <= _LONGEST_KEY and key.isascii() and key:
        return key
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()
