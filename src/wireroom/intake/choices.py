"""What a person in a chat may choose from: repositories and coding agents."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from wireroom.errors import BadInput, NotFound
from wireroom.workspaces.confine import resolve_inside

_MOST_LISTED = 50


class Choices:
    """The repositories below one folder, and the agents that are installed."""

    def __init__(self, root: Path, backends: Collection[str]) -> None:
        """Offer what is in the folder, which need not exist, and these agents, the default first."""
        self._root = root
        self.backends = tuple(backends)

    def repositories(self) -> Sequence[str]:
        """Return the names of the folders, at most fifty, in their order."""
        if not self._root.is_dir():
            return ()
        found = (entry.name for entry in self._root.iterdir() if entry.is_dir())
        return sorted(name for name in found if not name.startswith("."))[:_MOST_LISTED]

    def repository(self, name: str) -> str | None:
        """Return the folder of this repository, None when there is none or the name leads elsewhere."""
        try:
            folder = resolve_inside(self._root, name)
        except (BadInput, NotFound):
            return None
        return str(folder) if folder.is_dir() else None
