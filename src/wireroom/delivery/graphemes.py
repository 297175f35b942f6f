"""Where a text may be cut without tearing a character that a person sees as one.

The rules of Unicode's extended grapheme clusters that matter in chats: combining marks, emoji sequences,
flags, Hangul syllables, CRLF. Source: UAX 29, section 3.1.1; simplified, without the Indic conjunct rule.
"""

from __future__ import annotations

import unicodedata

_JOINER = "\u200d"
_LONGEST_CLUSTER = 64
"""Characters; a longer pile of marks is torn."""


def cut_before(text: str, index: int, earliest: int) -> int:
    """Return the last place at or before `index`, and after `earliest`, that tears no cluster.

    Returns:
        `index` itself when there is no such place nearby.
    """
    for place in range(index, max(earliest, index - _LONGEST_CLUSTER), -1):
        if not _joined(text, place):
            return place
    return index


def _joined(text: str, index: int) -> bool:
    """Return whether the characters on both sides of `index` belong together."""
    if not 0 < index < len(text):
        return False
    before, after = text[index - 1], text[index]
    if before.isascii() and after.isascii():
        return before == "\r" and after == "\n"
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters_before(text, index) % 2 == 1
    return (
        _JOINER in (before, after)
        or unicodedata.category(after) in {"Mn", "Mc", "Me"}
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\U000e0020" <= after <= "\U000e007f"
        or _is_hangul_joint(before, after)
    )


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, index: int) -> int:
    start = index
    while start > 0 and index - start < _LONGEST_CLUSTER and _is_flag_letter(text[start - 1]):
        start -= 1
    return index - start


def _is_hangul_joint(before: str, after: str) -> bool:
    """Return whether `after` is a medial or final letter that continues a syllable."""
    return "\u1160" <= after <= "\u11ff" and (
        "\u1100" <= before <= "\u11ff" or "\uac00" <= before <= "\ud7a3"
    )
