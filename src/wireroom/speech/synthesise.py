"""The program that speaks: `python -m wireroom.speech.synthesise MIB VOICE FILE`, the text on standard input.

VOICE is a Piper voice (`….onnx`, its `.json` beside it); FILE is written as Ogg with Opus, 48 kHz, mono.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from wireroom.speech import own_process

_RATE = 48_000
_BITS_A_SECOND = 32_000


def main(arguments: Sequence[str]) -> None:
    """Say what stands on standard input, into the file."""
    voice, path = arguments
    from piper import PiperVoice  # noqa: PLC0415 - an extra of the package, used by this program alone

    text = sys.stdin.read().strip()
    if not text:
        raise ValueError("there is nothing to say")
    pieces = [
        (piece.audio_int16_bytes, piece.sample_rate) for piece in PiperVoice.load(voice).synthesize(text)
    ]
    if not pieces:
        raise ValueError("the voice cannot say this")
    write_opus(path, b"".join(piece for piece, _ in pieces), pieces[0][1])


def write_opus(path: str, sound: bytes, rate: int) -> None:
    """Write 16-bit mono samples of this rate as Ogg with Opus."""
    import av  # noqa: PLC0415 - an extra of the package
    import numpy as np  # noqa: PLC0415 - comes with Piper

    frame = av.AudioFrame.from_ndarray(
        np.frombuffer(sound, dtype="<i2").reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    with av.open(path, "w", format="ogg") as container:
        stream: Any = container.add_stream("libopus", rate=_RATE, layout="mono")
        stream.bit_rate = _BITS_A_SECOND
        for piece in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    own_process.run(main, sys.argv[1:])
