"""What the machine has, and how much of it is used: read from the system, cheap, never an error."""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from wireroom.perf.memory import resident_bytes

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine at one moment; None for what it does not tell."""

    system: str
    """System and processor, such as `Linux 6.1 x86_64`."""
    python: str
    processors: int
    """That this process may use."""
    load_1_min: float | None
    """Processes that ran or waited for a processor, on average of the last minute."""
    memory_bytes: int | None
    memory_available_bytes: int | None
    """What programs could still take."""
    process_bytes: int
    """Resident memory of this process."""
    disk_bytes: int | None
    disk_free_bytes: int | None
    """Of the disk that holds the data folder."""


def look_at_machine(folder: Path) -> Machine:
    """Return the machine as it is now; `folder` tells which disk is meant."""
    memory = read_meminfo(_read(_MEMINFO))
    disk = _disk_of(folder)
    return Machine(
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        processors=_processors(),
        load_1_min=_load(),
        memory_bytes=memory.get("MemTotal"),
        memory_available_bytes=memory.get("MemAvailable"),
        process_bytes=resident_bytes(),
        disk_bytes=disk[0] if disk else None,
        disk_free_bytes=disk[1] if disk else None,
    )


def read_meminfo(text: str) -> dict[str, int]:
    """Return `MemTotal:  16384 kB` and its neighbours in bytes. Pure. Source: proc(5), /proc/meminfo."""
    words = (line.split() for line in text.splitlines())
    return {
        parts[0].rstrip(":"): int(parts[1]) * 1024
        for parts in words
        if len(parts) == 3 and parts[1].isdigit() and parts[2] == "kB"  # noqa: PLR2004 - name, number, unit
    }


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None


def _disk_of(folder: Path) -> tuple[int, int] | None:
    try:
        used = shutil.disk_usage(folder)
    except OSError:
        return None
    return used.total, used.free


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
