"""Waits for a process to exit without reaping it, so that its number stays ours until its group is ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

from wireroom.runs.pipes import readable

_POLL_SECONDS = 0.02


async def exit_of(popen: subprocess.Popen[bytes]) -> None:
    """Wait for the exit without reaping; where that cannot be watched, poll."""
    descriptor = _process_descriptor(popen.pid)
    if descriptor is None:
        while not _has_exited(popen):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        await readable(descriptor)
    finally:
        os.close(descriptor)


def _process_descriptor(pid: int) -> int | None:
    """Return a descriptor that is readable once the process has exited; None when there is none."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _has_exited(popen: subprocess.Popen[bytes]) -> bool:
    """True once the process has exited; leaves it to be reaped where the system can."""
    if sys.platform != "linux":
        return popen.poll() is not None
    return os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
