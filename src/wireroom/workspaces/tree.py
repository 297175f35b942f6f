"""The tree of a folder's files as the browser lists it: bounded in depth and number, never outside.

Blocking: call it in a thread.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from wireroom.errors import NotFound
from wireroom.workspaces.confine import parts_of, resolve_inside
from wireroom.workspaces.names import is_hidden, listing_key

DEEPEST = 10
MOST_ENTRIES = 20_000


class FileNode(msgspec.Struct, omit_defaults=True):
    """A file or folder: `{"name": "a.py", "path": "src/a.py", "type": "file"}`."""

    name: str
    path: str
    """From the root of the listing, with `/`."""
    type: Literal["file", "directory"]
    children: list[FileNode] | None = None
    """A folder's entries, folders first; left out when they were not read. Ask for its path to read them."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What was found."""

    nodes: list[FileNode]
    truncated: bool
    """There was more than the bound: the last folder read is cut, and deeper ones were not read."""


class Witness:
    """Is told what a tree is read from; this one takes no notice."""

    def reads(self, folder: Path) -> None:
        """Take note of a folder that is about to be read."""

    def meets_link(self, path: str) -> None:
        """Take note of a link among the entries, listed or not."""


def visible_inside(root: Path, path: str) -> Path:
    """Return what the path means below `root`, unless the browser hides it or a part on the way to it.

    Raises:
        BadInput, NotFound: see `confine.resolve_inside`.
    """
    found = resolve_inside(root, path)
    on_the_way = (*parts_of(path), *found.relative_to(root.resolve()).parts)
    if any(is_hidden(part) for part in on_the_way):
        raise NotFound(f"There is no {path}.")
    return found


def list_tree(
    root: Path,
    path: str = "",
    depth: int = DEEPEST,
    most: int = MOST_ENTRIES,
    witness: Witness | None = None,
) -> Tree:
    """Return the entries of the sub-folder, level by level.

    A link to a place inside is listed, a folder among them without its children, so that nothing comes twice
    and no circle goes on; a link that leads outside or nowhere is left out. What cannot be read is left out.

    Args:
        root: Folder that nothing is listed outside of.
        path: Sub-folder of it to list.
        depth: Levels to read, in [1, DEEPEST].
        most: Entries after which reading ends.
        witness: Is told what was read.

    Raises:
        BadInput, NotFound: the sub-folder, see `visible_inside`.
    """
    base, start = root.resolve(), visible_inside(root, path)
    if not start.is_dir():
        raise NotFound(f"{path} is no folder.")
    top = FileNode("", "/".join(parts_of(path)), "directory")
    waiting = deque([(start, top, depth)])
    left, watched = most, witness or Witness()
    while waiting and left > 0:
        folder, parent, levels = waiting.popleft()
        watched.reads(folder)
        found = _entries(base, folder, parent.path, watched)
        parent.children = found[:left]
        left -= len(found)
        for node in found if levels > 1 else ():
            if node.type == "directory" and not (below := folder / node.name).is_symlink():
                waiting.append((below, node, levels - 1))
    return Tree(top.children or [], truncated=left < 0 or bool(waiting))


def _entries(base: Path, folder: Path, prefix: str, watched: Witness) -> list[FileNode]:
    """Return the folder's entries in order; none when it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            found = [node for entry in entries if (node := _node(base, entry, prefix, watched)) is not None]
    except OSError:
        return []
    return sorted(found, key=lambda node: (node.type == "file", listing_key(node.name)))


def _node(base: Path, entry: os.DirEntry[str], prefix: str, watched: Witness) -> FileNode | None:
    if is_hidden(entry.name) or not _is_text(entry.name):
        return None
    try:
        if entry.is_symlink():
            watched.meets_link(entry.path)
            if not Path(entry.path).resolve(strict=True).is_relative_to(base):
                return None
        kind: Literal["file", "directory"] = "directory" if entry.is_dir() else "file"
    except (OSError, RuntimeError):
        return None
    return FileNode(entry.name, f"{prefix}/{entry.name}" if prefix else entry.name, kind)


def _is_text(name: str) -> bool:
    """False for a name that is no UTF-8: it cannot be told, so it could not be asked for."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
