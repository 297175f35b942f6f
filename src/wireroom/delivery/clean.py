"""What a terminal would have shown, as plain text.

Agents write for terminals: colours, links, titles and progress lines that overwrite themselves. Pure; knows
nothing of Markdown, which `delivery.render` reads afterwards.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"""
      \x1b\[ [0-?]* [\ -/]* [@-~]                    # CSI: colours, cursor, erase
    | \x9b [0-?]* [\ -/]* [@-~]                      # CSI as one character
    | (?:\x1b\]|\x9d) [^\x07\x1b\x9c\n]* (?:\x07|\x1b\\|\x9c)?   # OSC: titles, links; ends at BEL or ST
    | \x1b[PX^_] [^\x1b\x9c]* (?:\x1b\\|\x9c)        # DCS, SOS, PM, APC: only when ended by ST
    | \x1b[\ -/]+ [0-~]                              # character sets and other two-part escapes
    | \x1b [0-~]                                     # all other escapes
    """,
    re.VERBOSE,
)
"""Source: ECMA-48, 5.3 to 5.6; xterm control sequences. Every branch is linear in the text."""

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def clean_terminal_text(text: str) -> str:
    r"""Return the text as a person would have seen it, with only \n and \t as control characters.

    A line that was overwritten after a bare carriage return keeps its last non-blank writing; a character
    before a backspace is gone. Cleaning twice is cleaning once.
    """
    text = _ESCAPES.sub("", whole_characters(text)).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(_last_writing(line) for line in text.split("\n"))
    if "\b" in text:
        text = _apply_backspaces(text)
    return _CONTROLS.sub("", text)


def whole_characters(text: str) -> str:
    """Return the text with surrogate pairs joined and lone surrogates replaced by U+FFFD.

    What is left can be encoded as UTF-8, which is what databases and Telegram take.
    """
    if _SURROGATES.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _last_writing(line: str) -> str:
    writings = [writing for writing in line.split("\r") if writing.strip()]
    return writings[-1] if writings else ""


def _apply_backspaces(text: str) -> str:
    kept: list[str] = []
    for character in text:
        if character != "\b":
            kept.append(character)
        elif kept and kept[-1] != "\n":
            kept.pop()
    return "".join(kept)
