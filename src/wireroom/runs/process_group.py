"""Which processes belong to an attempt, and how they are ended; used by the supervisor and after a crash.

An agent leads its own session and group. Its descendants are found by two signs: the group, and the scope, a
value in their environment that also finds what left the group, such as a daemon that forked twice. A process
that both leaves the group and empties its environment is not found. Where /proc is missing, only the group
counts.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

SCOPE_VARIABLE = "WIREROOM_SCOPE"
"""Environment variable of the child that names its attempt."""

KILL_LIMIT = timedelta(seconds=2)
"""How long a killed process may take to vanish; longer means that it hangs in the kernel."""

_HAS_PROC = sys.platform == "linux" and os.access("/proc/self/environ", os.R_OK)
_SHORTEST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Names a started process so that it is found again after a crash of ours."""

    pid: int
    """Also its process group and session."""
    started_ticks: int
    """Start time in clock ticks since boot (field 22 of /proc/<pid>/stat); 0 where that is not told."""
    scope: str
    """Value of `SCOPE_VARIABLE` in its environment and its descendants'; unique to the attempt."""


@dataclass(frozen=True, slots=True)
class Members:
    """The processes of one attempt."""

    mark: ProcessMark
    owns_group: bool
    """The group number is still the attempt's: its leader is our unreaped child, or was recognised."""

    def find(self) -> list[int]:
        """Return those that run: no zombies, not this process. Costs about 4 µs a process of the machine."""
        numbers = _all_processes()
        if numbers is None:
            return [self.mark.pid] if self.owns_group and _signal_group(self.mark.pid, 0) else []
        own = os.getpid()
        return [pid for pid in numbers if pid != own and (self._in_group(pid) or self._carries_scope(pid))]

    def send(self, number: signal.Signals) -> bool:
        """Send the signal to each of them once; False when none runs."""
        found = self.find()
        if found and self.owns_group:
            _signal_group(self.mark.pid, number)
        for pid in found:
            self._signal_outsider(pid, number)
        return bool(found)

    async def end(self, grace: timedelta) -> bool:
        """Send SIGTERM, wait at most `grace`, then SIGKILL what is left; False when none ran."""
        if not self.send(signal.SIGTERM):
            return False
        if not await self._gone(grace):
            self.send(signal.SIGKILL)
            await self._gone(KILL_LIMIT, again=signal.SIGKILL)
        return True

    async def _gone(self, limit: timedelta, again: signal.Signals | None = None) -> bool:
        """Wait until none runs; newcomers get the signal `again`. False when the limit passed."""
        deadline = time.monotonic() + limit.total_seconds()
        pause = _SHORTEST_PAUSE_SECONDS
        while self.find():
            if time.monotonic() >= deadline:
                return False
            if again is not None:
                self.send(again)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return True

    def _in_group(self, pid: int) -> bool:
        if not self.owns_group:
            return False
        try:
            return os.getpgid(pid) == self.mark.pid and not _is_zombie(pid)
        except OSError:
            return False

    def _carries_scope(self, pid: int) -> bool:
        """True when the environment that the process was started with holds the scope; a zombie has none."""
        sign = f"{SCOPE_VARIABLE}={self.mark.scope}\0".encode()
        try:
            with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of a Path
                environment = file.readall()
        except OSError:
            return False
        return environment.startswith(sign) or b"\0" + sign in environment

    def _signal_outsider(self, pid: int, number: signal.Signals) -> None:
        """Signal a process that left the group; the descriptor keeps its number while the scope is read."""
        if not _HAS_PROC or self._in_group(pid):
            return
        with suppress(OSError):
            descriptor = os.pidfd_open(pid)
            try:
                if self._carries_scope(pid):
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def mark_process(pid: int, scope: str) -> ProcessMark:
    """Return the mark of our running or unreaped child."""
    return ProcessMark(pid, _started_ticks(pid), scope)


async def kill_leftover(mark: ProcessMark, grace: timedelta = timedelta(seconds=2)) -> bool:
    """End the process of a former life of ours and its descendants; True when any was running.

    Safe when the number belongs to a stranger by now: the group is signalled only if its leader has the same
    start time, and any other process only if it carries the scope.
    """
    same_leader = mark.started_ticks != 0 and _started_ticks(mark.pid) == mark.started_ticks
    return await Members(mark, owns_group=same_leader).end(grace)


def _signal_group(pid: int, number: int) -> bool:
    """Send the signal to the whole group, or only ask with 0; False when it has no running members."""
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        # macOS refuses permission for a group of zombies.
        return False
    return True


def _all_processes() -> list[int] | None:
    """Return the number of every process; None where that is not told, or no descriptor is free to ask."""
    if not _HAS_PROC:
        return None
    try:
        # Path.iterdir would make an object for every process of the machine, at twice the cost.
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208 - see above
    except OSError:
        return None


def _started_ticks(pid: int) -> int:
    try:
        return int(_stat(pid)[19])
    except OSError:
        return 0


def _is_zombie(pid: int) -> bool:
    try:
        return _stat(pid)[0] in {b"Z", b"X"}
    except OSError as error:
        # Out of descriptors we cannot tell, and must not take it for ended.
        return error.errno not in {errno.EMFILE, errno.ENFILE}


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/<pid>/stat from the third on. Source: proc(5)."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of a Path
        stat = file.read()
    # The second field is the program's name in parentheses; it may itself hold spaces and parentheses.
    return stat[stat.rindex(b")") + 2 :].split()
