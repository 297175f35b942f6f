"""Where the definition of done of a task stands; the first place that has one counts.

1. the prompt itself, 2. a Markdown file that the prompt points at, 3. `.cursorrules` in the working folder.
Files are looked for in that folder and in the root around it; links that lead out of them lead nowhere.
Finding the place in a text is pure; `find_definition` reads files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wireroom.errors import BadInput, NotFound
from wireroom.workspaces.confine import open_inside, resolve_inside

_LONGEST_CHARS = 8_000
_LONGEST_FILE_BYTES = 262_144
_MOST_FILES = 20

_TITLE = re.compile(
    r"^(?P<marks>[#*_\-\d. \t]*)"
    r"definition[ \t]+of[ \t]+done\b[ \t]*(?:\*\*|__)?[ \t]*(?P<rest>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(r"^[ \t]{0,3}(#{1,6})[ \t]", re.MULTILINE)
_LINK = re.compile(r"\]\(\s*<?([^()<>\s]+\.md)>?(?:\s+\"[^\"]*\")?(?:#[^)]*)?\s*\)", re.IGNORECASE)
_PATH = re.compile(r"(?<![\w./~@+-])([\w./@+-]*[\w@+-]\.md)\b(?!\w)", re.IGNORECASE)
_NAMED_SO = re.compile(r"definition[-_ ]*of[-_ ]*done", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Definition:
    """What must hold for the work to be done."""

    text: str
    where: str
    """`prompt`, or the file's path as it was named."""


def definition_in(text: str) -> str | None:
    """Return the passage headed "Definition of done", up to the next heading of its rank; None if none."""
    title = _TITLE.search(text)
    if title is None:
        return None
    body = text[title.end() :]
    rank = title["marks"].count("#")
    ends = [found.start() for found in _HEADING.finditer(body) if not rank or len(found[1]) <= rank]
    first = title["rest"].lstrip(":*_ \t").strip()
    passage = f"{first}\n{body[: ends[0]] if ends else body}".strip()
    return passage[:_LONGEST_CHARS] or None


def files_named(prompt: str) -> Sequence[str]:
    """Return the Markdown files that the prompt points at, links first, each once, at most twenty.

    `Do the task at docs/task.md` and `[the task](docs/task.md)` name `docs/task.md`.
    """
    links = [found for found in _LINK.findall(prompt) if "://" not in found]
    paths = _PATH.findall(_LINK.sub(" ", prompt))
    return list(dict.fromkeys([*links, *paths]))[:_MOST_FILES]


def find_definition(prompt: str, workdir: Path, root: Path | None) -> Definition | None:
    """Return the task's definition of done, None when none is found. Reads files.

    Args:
        prompt: The task.
        workdir: Where the agent works.
        root: The folder that files may be in; taken only if it holds `workdir`, else that alone is searched.
    """
    if (inline := definition_in(prompt)) is not None:
        return Definition(inline, "prompt")
    for name in files_named(prompt):
        for folder in _folders(workdir, root):
            text = _read(folder, name)
            passage = definition_in(text) or (text[:_LONGEST_CHARS] if _NAMED_SO.search(name) else None)
            if passage:
                return Definition(passage, name)
    rules = definition_in(_read(workdir, ".cursorrules"))
    return Definition(rules, ".cursorrules") if rules else None


def _folders(workdir: Path, root: Path | None) -> Sequence[Path]:
    if root is None or not workdir.resolve().is_relative_to(root.resolve()):
        return (workdir,)
    return (workdir, root)


def _read(folder: Path, name: str) -> str:
    """Return what the file says, empty when it is none, is outside or cannot be read.

    Without NUL, which PostgreSQL does not store: what is found becomes part of a stored prompt.
    """
    try:
        base = folder.resolve(strict=True)
        descriptor = open_inside(base, resolve_inside(folder, _relative(base, name)))
    except (BadInput, NotFound, OSError):
        return ""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(_LONGEST_FILE_BYTES).decode(errors="replace").replace("\0", "")


def _relative(base: Path, name: str) -> str:
    """Return the name below the folder; an absolute one inside of it is understood as well."""
    path = Path(name)
    return str(path.relative_to(base)) if path.is_absolute() and path.is_relative_to(base) else name
