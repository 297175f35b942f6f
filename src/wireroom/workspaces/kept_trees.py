"""Trees of files that are kept, each with the proof that it still holds.

Nobody tells of a change in a folder: an agent, a person's editor or git made it. So a tree is kept with the
stamp of every folder that it was read from, taken before the reading, and with where each link led. A stamp
changes when an entry of the folder comes, goes or gets another name, and when its rights change; no program
can set it back. To look at the stamps costs a small part of reading the folders again.
"""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import msgspec

from wireroom.cache.cache import Cache
from wireroom.cache.names import TREES
from wireroom.workspaces.tree import DEEPEST, MOST_ENTRIES, Witness, list_tree, visible_inside

SETTLED = timedelta(seconds=2)
"""A folder that changed less than this ago may change again without another stamp: file systems keep times in
steps, of up to two seconds. A tree with such a folder is not kept."""
_UNSETTLED = -1
_MOST_LINKS = 500
"""To look where more of them lead would cost more than it saves."""


class KeptTree(msgspec.Struct, array_like=True, frozen=True):
    """A tree as it is sent, and what it was read from."""

    body: bytes
    """The nodes as JSON; see `tree.FileNode`."""
    truncated: bool
    folders: tuple[tuple[str, int, int], ...]
    """(path, inode, time of its last change in ns) of each folder that was read."""
    links: tuple[tuple[str, str], ...]
    """(path, where it led) of each link that was met."""


class Trees:
    """The trees that callers ask for."""

    def __init__(self, cache: Cache, settled: timedelta = SETTLED) -> None:
        """Keep them there; `settled` is how long a folder must not have changed."""
        self._kept = cache.open(TREES, KeptTree)
        self._settled = settled

    async def tree(
        self, root: Path, path: str = "", depth: int = DEEPEST, most: int = MOST_ENTRIES
    ) -> KeptTree:
        """Return what `tree.list_tree` finds, as it is at the moment of asking.

        Raises:
            BadInput, NotFound: see `tree.list_tree`.
        """
        start = await asyncio.to_thread(visible_inside, root, path)
        key = f"{depth}:{most}:{path.strip('/')}:{root}:{start}"
        return await self._kept.get_or_compute(
            key,
            lambda: asyncio.to_thread(read_tree, root, path, depth, most, settled=self._settled),
            is_current=lambda kept: asyncio.to_thread(is_current, kept),
        )


def read_tree(
    root: Path,
    path: str = "",
    depth: int = DEEPEST,
    most: int = MOST_ENTRIES,
    *,
    settled: timedelta = SETTLED,
) -> KeptTree:
    """Read the tree with its stamps. Blocking."""
    witness = _Stamps(settled)
    tree = list_tree(root, path, depth, most, witness)
    body = msgspec.json.encode(tree.nodes)
    return KeptTree(body, tree.truncated, tuple(witness.folders), tuple(witness.links))


def is_current(kept: KeptTree) -> bool:
    """Tell whether everything that the tree was read from is as it was. Blocking."""
    if len(kept.links) > _MOST_LINKS:
        return False
    try:
        for path, inode, changed_ns in kept.folders:
            found = os.stat(path)  # noqa: PTH116 - half the cost of Path.stat, for thousands of folders
            if found.st_ctime_ns != changed_ns or found.st_ino != inode:
                return False
    except OSError:
        return False
    return all(_target(path) == target for path, target in kept.links)


class _Stamps(Witness):
    def __init__(self, settled: timedelta) -> None:
        self._settled_ns = int(settled.total_seconds() * 1e9)
        self.folders: list[tuple[str, int, int]] = []
        self.links: list[tuple[str, str]] = []

    def reads(self, folder: Path) -> None:
        """Stamp the folder, before it is read."""
        try:
            found = folder.stat()
        except OSError:
            self.folders.append((str(folder), 0, _UNSETTLED))
            return
        settled = time.time_ns() - found.st_ctime_ns >= self._settled_ns
        self.folders.append((str(folder), found.st_ino, found.st_ctime_ns if settled else _UNSETTLED))

    def meets_link(self, path: str) -> None:
        """Note where the link leads."""
        self.links.append((path, _target(path)))


def _target(path: str) -> str:
    """Return where a link leads and what is there, in a word."""
    real = os.path.realpath(path)
    if os.path.isdir(real):  # noqa: PTH112 - as above
        return f"{real}/"
    return real if os.path.exists(real) else ""  # noqa: PTH110 - as above
