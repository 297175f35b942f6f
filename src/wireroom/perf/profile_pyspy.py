"""py-spy, which looks at a process from outside and does not stop it: what it costs is another process's.

It needs the extra `profile` and the right to trace: the same user with ptrace_scope 0, root, or SYS_PTRACE.
Without either the profile is taken from within.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog

from wireroom.perf.profile_samples import Sampled, Spot

HZ = 100
_GRACE_SECONDS = 15.0
_SPOT = re.compile(r"(?P<name>.*?) \((?P<file>.*):(?P<line>\d+)\)")
_MOST_SAID = 300
_log = structlog.get_logger(__name__)


def find_py_spy() -> str | None:
    """Return the program, None when it is not installed."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def read_raw(text: str, hz: int) -> Iterator[Sampled]:
    """Yield what py-spy's raw format tells, a line a stack: `thread;outer (a.py:1);inner (b.py:2) 17`."""
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            yield Sampled(tuple(_spot(part) for part in stack.split(";")), int(count) / hz)


async def record(program: str, seconds: float) -> list[Sampled] | None:
    """Have this process looked at for so long; None when that is not allowed or fails, which is logged."""
    with tempfile.TemporaryDirectory(prefix="wireroom-profile-") as folder:
        out = Path(folder) / "raw"
        command = [program, "record", "--pid", str(os.getpid()), "--duration", str(max(1, round(seconds)))]
        command += ["--rate", str(HZ), "--format", "raw", "--threads", "--full-filenames", "--function"]
        # Stopping it for each look wakes every thread, which then counts as one that was at work.
        command += ["--nonblocking"]
        said = await _run([*command, "--output", str(out)], seconds + _GRACE_SECONDS)
        if said is not None or not await asyncio.to_thread(out.exists):
            _log.info("py_spy_refused", reason=said)
            return None
        return list(read_raw(await asyncio.to_thread(out.read_text), HZ))


async def _run(command: list[str], limit_seconds: float) -> str | None:
    """Run the program to its end; return None, or what it said when it failed."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        return str(error)
    try:
        _, said = await asyncio.wait_for(process.communicate(), limit_seconds)
    except TimeoutError:
        return f"it did not end within {limit_seconds:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return None if process.returncode == 0 else said.decode(errors="replace")[-_MOST_SAID:].strip()


def _spot(part: str) -> Spot:
    found = _SPOT.fullmatch(part)
    return Spot(part) if found is None else Spot(found["name"], found["file"], int(found["line"]))
