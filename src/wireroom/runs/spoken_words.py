"""How what was understood is shown to the person who said it. Pure; Markdown."""

from __future__ import annotations

import re

_QUOTED_CHARS = 1000
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def quoted(text: str) -> str:
    """Return what was understood as a quotation that shows it as it is, on one line."""
    return "> 🎙 " + _PUNCTUATION.sub(r"\\\g<0>", shortened(text))


def shortened(text: str) -> str:
    """Return the text on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _QUOTED_CHARS else f"{line[: _QUOTED_CHARS - 1]}…"
