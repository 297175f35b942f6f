"""Runs a program of ours that hears or speaks: apart from the event loop, in bounded time and memory.

The program gets no secret: its environment is a short list. It dies with us, by its own wish
(`speech.own_process`), and all that it started with it when it takes too long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from wireroom.speech.errors import SpeechRefused, SpeechUnavailable

_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_MOST_OUTPUT = 1024 * 1024
_TOLD_CHARS = 300
NO_SUCH_WORDS = 3
"""The exit code that says: nothing was heard."""
NOT_POSSIBLE = 4
"""The exit code that says: this input will never work; the last line of stderr says why."""


def environment_of(ours: Mapping[str, str]) -> dict[str, str]:
    """Return the program's environment: no secrets, no downloads, two threads. Pure."""
    kept = {name: ours[name] for name in _KEPT if name in ours}
    return kept | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2", "PYTHONUNBUFFERED": "1"}


async def run_child(module: str, arguments: Sequence[str], *, text: str = "", seconds: float) -> bytes:
    """Run `python -m module arguments` with `text` on its standard input; return what it printed.

    Raises:
        SpeechUnavailable: it took too long, was killed, or its end was unexpected.
        SpeechRefused: it says that this input will never work.
        ChildHeardNothing: it says that there were no words.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of(os.environ),
        start_new_session=True,
        limit=_MOST_OUTPUT,
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(text.encode())
    except TimeoutError:
        raise SpeechUnavailable(f"It took longer than {seconds:.0f} s.") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            await asyncio.shield(process.wait())
    if process.returncode == 0:
        return out
    raise _failure(process.returncode or 0, err.decode(errors="replace"))


class ChildHeardNothing(Exception):
    """There were no words."""


def _failure(status: int, err: str) -> Exception:
    said = (err.strip().splitlines() or ["no word of why"])[-1][:_TOLD_CHARS]
    if status == NO_SUCH_WORDS:
        return ChildHeardNothing()
    if status == NOT_POSSIBLE:
        return SpeechRefused(said)
    return SpeechUnavailable(f"The program ended with {status}: {said}")
