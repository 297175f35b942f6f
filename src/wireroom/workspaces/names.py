"""Which names the browser of files leaves out, and in which order it lists the rest. Pure.

Source: the older runner's repository browser.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_HIDDEN = frozenset(
    {
        ".git",
        "node_modules",
        ".next",
        "dist",
        "build",
        ".cache",
        "coverage",
        ".nyc_output",
        ".vscode",
        ".idea",
        "__pycache__",
        ".pytest_cache",
        ".mypy_cache",
        "venv",
        "env",
        ".env",
        ".ds_store",
    }
)
_HIDDEN_ENDS = (".log", ".tmp")
_VARIABLES = ".env."
"""Begins the names of files with variables for one place: `.env.local`, `.env.production`."""
_EXAMPLES = (".example", ".sample", ".template", ".dist")
"""Ends of such names that are made to be shown."""
_PUNCTUATION = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
"""In the order of the Unicode collation, which sorts them before digits, and digits before letters."""


def is_hidden(name: str) -> bool:
    """True for what is neither listed nor shown: dependencies, output of builds, secrets, git's own.

    Whatever the case: on some systems `.GIT` is `.git`.
    """
    folded = name.casefold()
    if folded.startswith(_VARIABLES):
        return not folded.endswith(_EXAMPLES)
    return folded in _HIDDEN or folded.endswith(_HIDDEN_ENDS)


def listing_key(name: str) -> tuple[list[tuple[int, int, str]], str, str]:
    """Return the sort key of a name as people's dictionaries have it.

    Marks first, then digits, then letters; accents and case decide only between names that are otherwise
    alike, and then `a` comes before `A` and `á`.
    """
    folded = name.casefold()
    if name.isascii():
        return [_weight(one) for one in folded], folded, name.swapcase()
    plain = "".join(one for one in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(one))
    return [_weight(one) for one in plain], unicodedata.normalize("NFD", folded), name.swapcase()


@lru_cache(4096)
def _weight(one: str) -> tuple[int, int, str]:
    if one in _PUNCTUATION:
        return 0, _PUNCTUATION.index(one), one
    if one.isdigit():
        return 1, 0, one
    return (2, 0, one) if one.isalpha() else (0, len(_PUNCTUATION), one)
