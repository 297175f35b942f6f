"""The program that hears: `python -m wireroom.speech.recognise MIB ENGINE MODEL LANGUAGE SECONDS FILE`.

It prints {"text": "…", "language": "en"}. ENGINE is whisper or pocketsphinx; MODEL a folder of
faster-whisper, or empty for what ships inside the package. Nothing is downloaded. Decoding is PyAV's:
whatever Telegram has.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from wireroom.speech import own_process
from wireroom.speech.child import NO_SUCH_WORDS

_RATE = 16_000
_BYTES_A_SAMPLE = 2
_QUIET = 200
"""Of 32,768."""


def main(arguments: Sequence[str]) -> None:
    """Hear the file and print what was said."""
    engine, model, language, seconds, path = arguments
    sound = decoded(path, int(seconds))
    if is_silent(sound):
        sys.exit(NO_SUCH_WORDS)
    said, spoken_in = (_whisper if engine == "whisper" else _pocketsphinx)(sound, model, language)
    if not said:
        sys.exit(NO_SUCH_WORDS)
    print(json.dumps({"text": said, "language": spoken_in}))  # noqa: T201 - the program's result


def decoded(path: str, seconds: int) -> bytes:
    """Return the file's first sound stream as 16-bit samples, mono, 16 kHz; at most so many seconds.

    Raises:
        ValueError: it has no sound, or cannot be decoded.
    """
    import av  # noqa: PLC0415 - an extra of the package, used by this program alone

    most = seconds * _RATE * _BYTES_A_SAMPLE
    pieces = bytearray()
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                raise ValueError("there is no sound in the file")
            for piece in _resampled(av, container):
                pieces += piece
                if len(pieces) > most:
                    raise ValueError(f"the recording is longer than {seconds} seconds")
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"the recording cannot be decoded ({type(error).__name__})") from error
    if not pieces:
        raise ValueError("there is no sound in the file")
    return bytes(pieces)


def is_silent(sound: bytes) -> bool:
    """Tell whether nothing in it is louder than a quiet room; recognisers hear words in silence, too."""
    import numpy as np  # noqa: PLC0415 - comes with the extras

    return bool(np.abs(np.frombuffer(sound, dtype="<i2").astype(np.int32)).max() < _QUIET)


def _resampled(av: Any, container: Any) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
    for frame in container.decode(audio=0):
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().tobytes()
    for piece in resampler.resample(None):
        yield piece.to_ndarray().tobytes()


def _whisper(sound: bytes, model: str, language: str) -> tuple[str, str | None]:
    import numpy as np  # noqa: PLC0415 - comes with faster-whisper
    from faster_whisper import WhisperModel  # noqa: PLC0415 - an extra of the package

    samples = np.frombuffer(sound, dtype="<i2").astype(np.float32) / 32768.0
    recogniser = WhisperModel(model, device="cpu", compute_type="int8", cpu_threads=2, local_files_only=True)
    pieces, about = recogniser.transcribe(
        samples, language=language or None, beam_size=1, vad_filter=True, condition_on_previous_text=False
    )
    return " ".join(piece.text.strip() for piece in pieces).strip(), about.language


def _pocketsphinx(sound: bytes, model: str, language: str) -> tuple[str, str | None]:
    del model
    if language not in {"", "en", "eng"}:
        raise ValueError(f"pocketsphinx hears English only, and the language is set to {language}")
    from pocketsphinx import Decoder  # noqa: PLC0415 - an extra of the package

    decoder = Decoder(samprate=_RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(sound, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return (found.hypstr.strip() if found else ""), "en"


if __name__ == "__main__":
    own_process.run(main, sys.argv[1:])
