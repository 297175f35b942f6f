"""Whether a test left something behind: descriptors, tasks, processes. Needs /proc."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from wireroom.runs.process_group import SCOPE_VARIABLE
from wireroom.testing.eventually import eventually


class LeakCheck:
    """Remembers what there was when it was made; `assert_none` compares. Make it inside the running loop."""

    def __init__(self, scope_prefix: str) -> None:
        self._sign = f"{SCOPE_VARIABLE}={scope_prefix}".encode()
        self._descriptors = _descriptors()
        self._children = _children()
        self._tasks = asyncio.all_tasks()

    async def assert_none(self) -> None:
        """Raise AssertionError, saying what is left, unless everything new is gone within a second."""
        try:
            await eventually(lambda: not self._left(), "nothing is left behind", timeout_seconds=1.0)
        except AssertionError as error:
            raise AssertionError(f"left behind: {self._left()}") from error

    def _left(self) -> dict[str, list[str]]:
        found = {
            "descriptors": list((_descriptors() - self._descriptors).elements()),
            "children": [str(pid) for pid in _children() - self._children],
            "tasks": [task.get_name() for task in self._new_tasks() if not task.done()],
            "scope": [str(pid) for pid in self._carriers()],
        }
        return {what: items for what, items in found.items() if items}

    def _new_tasks(self) -> set[asyncio.Task[object]]:
        # A fixture's end runs in a task of its own.
        return asyncio.all_tasks() - self._tasks - {asyncio.current_task()}

    def _carriers(self) -> list[int]:
        return [pid for pid in _numbers(Path("/proc")) if self._sign in _environment(pid)]


def _descriptors() -> Counter[str]:
    links = Counter[str]()
    for descriptor in _numbers(Path("/proc/self/fd")):
        try:
            links[str(Path(f"/proc/self/fd/{descriptor}").readlink()).split(":")[0]] += 1
        except OSError:
            # The descriptor with which the folder itself was listed is closed by now.
            continue
    return links


def _children() -> set[int]:
    """Return our children, zombies included."""
    tasks = Path("/proc/self/task").glob("*/children")
    return {int(pid) for listed in tasks for pid in listed.read_text().split()}


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _numbers(folder: Path) -> list[int]:
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdigit()]
