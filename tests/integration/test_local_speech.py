"""Hearing and speaking on this machine, with the real programs and their packaged models.

`WIREROOM_TEST_WHISPER=1` has Whisper listen as well, where `wireroom[whisper]` is installed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest

from wireroom.speech.child import run_child
from wireroom.speech.choice import Engine
from wireroom.speech.errors import NothingHeard, SpeechRefused, SpeechUnavailable
from wireroom.speech.local import LocalEar, LocalVoice
from wireroom.speech.sound import SoundForm, read_opus
from wireroom.testing.eventually import eventually

HELLO = Path(__file__).parents[1] / "fixtures" / "speech" / "hello.oga"
SENTENCE = "Write hello world to the file notes. Everything works, and the tests pass."
ENGINES = [Engine.POCKETSPHINX, *([Engine.WHISPER] if os.environ.get("WIREROOM_TEST_WHISPER") else [])]


def ear(folder: Path, engine: Engine = Engine.POCKETSPHINX, longest_seconds: int = 60) -> LocalEar:
    """Return a recogniser of this machine."""
    return LocalEar(engine, folder, None, longest_seconds, memory_mib=4096)


@pytest.mark.parametrize("engine", ENGINES)
async def test_what_is_spoken_here_is_understood_here(tmp_path: Path, engine: Engine) -> None:
    """The packaged voice makes real Opus, and most of its words are recognised."""
    began = time.monotonic()
    spoken = await LocalVoice(None, memory_mib=4096).say(SENTENCE, seconds=60)
    said_in = time.monotonic() - began
    played = read_opus(spoken.content)
    assert spoken.form is SoundForm.OGG_OPUS
    assert played is not None
    assert played.is_complete
    path = tmp_path / "spoken"
    path.write_bytes(spoken.content)
    began = time.monotonic()
    heard = await ear(tmp_path, engine).hear(path, "audio/ogg", "en", seconds=60)
    heard_in = time.monotonic() - began
    times = f"{played.seconds:.1f} s said in {said_in:.1f} s, heard by {engine} in {heard_in:.1f} s"
    sys.stdout.write(f"{times}: {heard.text}\n")
    expected = SENTENCE.lower().replace(".", "").replace(",", "").split()
    words = heard.text.lower().replace(".", "").replace(",", "").split()
    assert sum(word in words for word in expected) >= len(expected) // 2


async def test_a_recording_that_is_too_long_or_no_sound_is_refused(tmp_path: Path) -> None:
    """The decoder says so in a sentence; nothing crashes."""
    with pytest.raises(SpeechRefused, match="longer than 1 seconds"):
        await ear(tmp_path, longest_seconds=1).hear(HELLO, "audio/ogg", "", seconds=60)
    broken = tmp_path / "broken"
    broken.write_bytes(b"no sound at all")
    with pytest.raises(SpeechRefused, match="cannot be decoded"):
        await ear(tmp_path).hear(broken, "audio/ogg", "", seconds=60)


async def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """At its time-out its process is gone, and what waits is told."""
    with pytest.raises(SpeechUnavailable, match="longer than"):
        await ear(tmp_path).hear(HELLO, "audio/ogg", "", seconds=0.05)
    await eventually(lambda: not _programs(str(HELLO)), "the program is gone")


async def test_a_program_dies_with_the_one_who_waits(tmp_path: Path) -> None:
    """A cancelled hearing leaves no process behind."""
    hearing = asyncio.create_task(ear(tmp_path).hear(HELLO, "audio/ogg", "", seconds=60))
    await eventually(lambda: _programs(str(HELLO)), "the program runs")
    hearing.cancel()
    await asyncio.gather(hearing, return_exceptions=True)
    await eventually(lambda: not _programs(str(HELLO)), "the program is gone")


async def test_a_program_is_bound_in_memory(tmp_path: Path) -> None:
    """One that may hold next to nothing fails, and takes nothing else with it."""
    tight = LocalEar(Engine.POCKETSPHINX, tmp_path, None, 60, memory_mib=64)
    with pytest.raises((SpeechUnavailable, SpeechRefused)):
        await tight.hear(HELLO, "audio/ogg", "", seconds=60)


async def test_silence_is_told_apart(tmp_path: Path) -> None:
    """A recording without words is an outcome of its own."""
    silence = tmp_path / "silence.ogg"
    code = (
        "from wireroom.speech.synthesise import write_opus; import sys;"
        "write_opus(sys.argv[1], bytes(32000), 16000)"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(silence))
    assert await process.wait() == 0
    with pytest.raises(NothingHeard):
        await ear(tmp_path).hear(silence, "audio/ogg", "", seconds=60)


async def test_an_unknown_program_is_told_with_its_last_words() -> None:
    """What a program of ours said last is in the error."""
    with pytest.raises(SpeechUnavailable, match="No module named"):
        await run_child("wireroom.speech.nothing", ["64"], seconds=30)


def _programs(file: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"wireroom.speech.recognise" in line and file.encode() in line:
                found.append(entry.name)
    return found
