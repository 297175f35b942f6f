"""Finds files by their names in a tree. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wireroom.workspaces.tree import FileNode


def find_names(nodes: Sequence[FileNode], words: str, most: int) -> tuple[list[str], bool]:
    """Return the paths of files in which all words stand, and whether there are more than `most`.

    Case does not count. Paths whose last part has all the words come first, shorter ones before longer ones.
    """
    wanted = words.casefold().split()
    found = [path for path in _paths(nodes) if all(word in path.casefold() for word in wanted)]
    found.sort(key=lambda path: (not _names(path, wanted), len(path), path))
    return found[:most], len(found) > most


def _paths(nodes: Sequence[FileNode]) -> Iterator[str]:
    for node in nodes:
        if node.type == "file":
            yield node.path
        yield from _paths(node.children or ())


def _names(path: str, wanted: Sequence[str]) -> bool:
    name = path.rpartition("/")[2].casefold()
    return all(word in name for word in wanted)
