"""A file's text as lines of HTML with classed spans, for the browser of files.

    def main():  →  <span class="hl-k">def</span> <span class="hl-f">main</span>():

Only the tags written here ever come out. Bounded in size and time: what goes beyond is shown without colours.
Blocking: call it in a thread.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import Any

MOST_CHARS = 150_000
"""Longer files are shown without colours."""
LONGEST_LINE = 2_000
"""A longer line is most likely made by a program, and may cost a lexer's patterns minutes."""
LONGEST_GAP = 1_000
"""Blanks and empty lines in a row, for the same reason: one match holds up every thread while it lasts."""
MOST_SECONDS = 1.0
"""Of this thread's own work, so that a busy machine shows no fewer colours."""
_LOOK_EVERY = 16
_GAP = re.compile(r"\s+")

_CLASSES = (
    ("Comment", "c"),
    ("Keyword", "k"),
    ("Literal.String", "s"),
    ("Literal.Number", "n"),
    ("Name.Function", "f"),
    ("Name.Class", "f"),
    ("Name.Tag", "k"),
    ("Name.Attribute", "a"),
    ("Name.Decorator", "a"),
    ("Name.Builtin", "b"),
    ("Name.Constant", "b"),
    ("Operator.Word", "k"),
    ("Generic.Heading", "f"),
    ("Generic.Subheading", "f"),
    ("Generic.Inserted", "i"),
    ("Generic.Deleted", "d"),
    ("Generic.Emph", "a"),
    ("Generic.Strong", "f"),
    ("Literal", "s"),
)
"""Kinds of tokens and the class of each; the first that a token's kind begins with counts."""


@dataclass(frozen=True, slots=True)
class Highlighted:
    """A text in colours."""

    lines: list[str]
    """HTML of each line, whole in itself."""
    language: str | None
    """As people call it; None when the lines are plain."""


def highlight(name: str, text: str, clock: Callable[[], float] = time.thread_time) -> Highlighted:
    """Return the lines of a text in the colours of the language that the file's name stands for.

    Args:
        name: Of the file, without folders.
        text: With any line ends.
        clock: Seconds of work; after `MOST_SECONDS` of them the rest stays plain.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    lexer = _lexer_of(name) if _is_bounded(text) else None
    if lexer is None:
        return Highlighted([escape(line) for line in text.split("\n")], None)
    until = clock() + MOST_SECONDS
    pieces = _timely(lexer.get_tokens_unprocessed(text), text, lambda: clock() > until)
    return Highlighted(_as_lines(pieces), str(lexer.name))


def _is_bounded(text: str) -> bool:
    if len(text) > MOST_CHARS or max(map(len, text.split("\n"))) > LONGEST_LINE:
        return False
    return max(map(len, _GAP.findall(text)), default=0) <= LONGEST_GAP


def _lexer_of(name: str) -> Any:
    """Return Pygments' lexer for a file's name; None for one it does not know."""
    # Pygments is untyped, and is read in when the first file is shown: it takes 30 ms and 4 MB.
    from pygments.lexers import find_lexer_class_for_filename  # type: ignore[import-untyped] # noqa: PLC0415

    found = find_lexer_class_for_filename(name)
    return None if found is None else found(stripnl=False, ensurenl=False)


def _timely(
    tokens: Iterable[tuple[int, Any, str]], text: str, is_late: Callable[[], bool]
) -> Iterable[tuple[str, str]]:
    """Yield (class, piece) of the whole text; once it is late, the rest as one plain piece."""
    end = 0
    for number, (index, kind, piece) in enumerate(tokens):
        yield _class_of(kind), piece
        end = index + len(piece)
        if number % _LOOK_EVERY == 0 and is_late():
            break
    if end < len(text):
        yield "", text[end:]


@cache
def _class_of(kind: Any) -> str:
    """Return the class of a kind such as `Token.Keyword.Type`; empty for plain text."""
    short = str(kind).removeprefix("Token.")
    return next((name for prefix, name in _CLASSES if short.startswith(prefix)), "")


def _as_lines(pieces: Iterable[tuple[str, str]]) -> list[str]:
    lines: list[list[str]] = [[]]
    for name, piece in pieces:
        first, *others = piece.split("\n")
        lines[-1].append(_span(name, first))
        lines += [[_span(name, other)] for other in others]
    return ["".join(line) for line in lines]


def _span(name: str, piece: str) -> str:
    if not piece:
        return ""
    return f'<span class="hl-{name}">{escape(piece)}</span>' if name else escape(piece)
