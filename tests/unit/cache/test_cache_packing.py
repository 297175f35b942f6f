"""Values as bytes: read back as they were, small when that pays, refused when they are anything else."""

from __future__ import annotations

from hashlib import shake_128

import msgspec
import pytest

from wireroom.cache.packing import COMPRESSED_FROM_BYTES, Damaged, decode, encode, pack, unpack

_NOISE = shake_128(b"noise").digest(5000)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"a": 1, "b": [1, 2.5, None, True]}, id="small"),
        pytest.param({"text": "so and so " * 500}, id="compressible"),
        pytest.param({"noise": _NOISE}, id="incompressible"),
        pytest.param({}, id="empty"),
    ],
)
def test_value_is_read_back(value: object) -> None:
    """What was packed is unpacked as it was."""
    assert decode(unpack(pack(encode(value))), msgspec.msgpack.Decoder()) == value


def test_large_text_is_compressed_and_noise_is_not() -> None:
    """From a threshold on, and only if it becomes smaller by a tenth."""
    text, noise = b"so and so " * 500, _NOISE
    assert len(pack(text)) < len(text) / 5
    assert len(pack(noise)) == len(noise) + 1
    brief = b"a" * (COMPRESSED_FROM_BYTES - 1)
    assert len(pack(brief)) == len(brief) + 1


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x09abc", id="unknown way"),
        pytest.param(pack(encode("so and so " * 500))[:-10], id="cut short"),
        pytest.param(b"\x02not deflated", id="not deflated"),
    ],
)
def test_what_was_not_packed_here_is_refused(packed: bytes) -> None:
    """Bytes of another making are an error that the cache knows, never another value."""
    with pytest.raises(Damaged):
        unpack(packed)


def test_value_of_another_type_is_refused() -> None:
    """A value that an older release kept with other fields is not taken for one of ours."""
    with pytest.raises(Damaged):
        decode(encode({"a": "text"}), msgspec.msgpack.Decoder(dict[str, int]))
