"""A repository's file of any size, open to be read piece by piece. Blocking: call it in a thread."""

from __future__ import annotations

import os
from pathlib import Path

from wireroom.workspaces.confine import open_inside
from wireroom.workspaces.tree import visible_inside

PIECE_BYTES = 256 * 1024


class OpenFile:
    """A regular file, as long as it was when it was opened; close it."""

    def __init__(self, root: Path, path: str) -> None:
        """Open the file at the path below `root`.

        Raises:
            BadInput, NotFound: see `tree.visible_inside`; also when it is no file or may not be read.
        """
        found = visible_inside(root, path)
        self.name = found.name
        self._descriptor = open_inside(root.resolve(), found)
        self.size_bytes = os.fstat(self._descriptor).st_size

    def piece(self, offset: int) -> bytes:
        """Return what stands at the offset, at most `PIECE_BYTES`; empty at the end.

        It keeps no position, so that one that is abandoned in its thread disturbs nobody.
        """
        return os.pread(self._descriptor, min(PIECE_BYTES, self.size_bytes - offset), offset)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)
