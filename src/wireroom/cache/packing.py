"""Values as bytes for the levels below memory: MessagePack, compressed when that pays. Pure.

One byte says how the rest is to be read, so that a later release may pack otherwise.
"""

from __future__ import annotations

import zlib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
_PLAIN, _DEFLATED = b"\x01", b"\x02"
COMPRESSED_FROM_BYTES = 1024
_WORTH = 0.9
"""Compressed, it must be smaller than this share; else reading it back costs more than it saves."""
_LARGEST_BYTES = 64 * 1024 * 1024

_encoder = msgspec.msgpack.Encoder()


class Damaged(ValueError):
    """The bytes are not what `pack` made of such a value."""


def encode(value: Any) -> bytes:
    """Return the value as MessagePack."""
    return _encoder.encode(value)


def pack(encoded: bytes) -> bytes:
    """Return what `encode` made as it is stored."""
    if len(encoded) >= COMPRESSED_FROM_BYTES:
        smaller = zlib.compress(encoded, level=1)
        if len(smaller) < len(encoded) * _WORTH:
            return _DEFLATED + smaller
    return _PLAIN + encoded


def unpack(packed: bytes) -> bytes:
    """Return what `pack` was given.

    Raises:
        Damaged: `pack` did not make it.
    """
    kind, body = packed[:1], packed[1:]
    if kind == _PLAIN:
        return body
    if kind != _DEFLATED:
        raise Damaged(f"packed in an unknown way, {kind!r}")
    try:
        return _inflated(body)
    except zlib.error as error:
        raise Damaged(str(error)) from error


def decode(encoded: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """Return the value.

    Raises:
        Damaged: it cannot be read as such a value; an older release may have written it.
    """
    try:
        return decoder.decode(encoded)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(str(error)) from error


def _inflated(body: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    found = unpacker.decompress(body, _LARGEST_BYTES)
    if not unpacker.eof:
        raise Damaged("cut short, or larger than anything that is kept")
    return found
