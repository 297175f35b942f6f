"""Reads and writes text files for an agent, within its folder alone, after resolving links."""

from __future__ import annotations

from pathlib import Path

from wireroom.errors import NotFound, Refused

MOST_BYTES = 3 * 1024 * 1024
"""Of a file that is read or written: as much as one message carries."""


def read_text(root: Path, path: str, *, line: int, limit: int) -> str:
    """Return the file's text from a line on.

    Args:
        root: The agent's folder.
        path: Absolute, or relative to the folder.
        line: First line, from 1; 0: from the start.
        limit: Lines at most; 0: all.

    Raises:
        Refused: it is outside the folder, no file, or too large.
        NotFound: there is no such file.
    """
    file = _inside(root, path)
    if not file.exists():
        # Agents whose file calls go to us know a missing file by these words only.
        raise NotFound(f"Resource not found: ENOENT: no such file or directory, open '{path}'")
    if not file.is_file() or file.stat().st_size > MOST_BYTES:
        raise Refused(f"{path} is no file of at most {MOST_BYTES:,} bytes.")
    text = file.read_text(encoding="utf-8", errors="replace")
    if not line and not limit:
        return text
    lines = text.splitlines(keepends=True)
    start = max(0, line - 1)
    return "".join(lines[start : start + limit if limit else None])


def write_text(root: Path, path: str, content: str) -> None:
    """Give the file this text; it and its folders are made when they are missing.

    Raises:
        Refused: it is outside the folder, or no file.
    """
    file = _inside(root, path)
    if file.exists() and not file.is_file():
        raise Refused(f"{path} is no file.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8", errors="replace", newline="")


def _inside(root: Path, path: str) -> Path:
    """Return where the path leads once every link is followed."""
    folder = root.resolve()
    try:
        file = (folder / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise Refused(f"{path[:200]!r} is no path.") from error
    if not path or not file.is_relative_to(folder):
        raise Refused(f"{path} is outside the folder {folder}.")
    return file
