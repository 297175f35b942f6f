"""Grows a text and its formatting together, keeping Telegram's rules of nesting by construction.

The rules: entities nest or are apart; `code` and `pre` contain nothing and are in no style; a link contains
no `code`; a quote contains no quote. Source: Telegram Bot API, "Formatting options".
"""

from __future__ import annotations

from dataclasses import dataclass

from wireroom.telegram.types import MessageEntity

STYLES = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
CODE = frozenset({"code", "pre"})


def utf16_length(text: str) -> int:
    """Return the length as Telegram counts it: UTF-16 code units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(slots=True)
class _Scope:
    type: str
    url: str | None
    muted: bool
    """It stands inside a scope of its own type and adds nothing."""
    start: int | None = None
    """Set by the first character written inside."""


class TextBuilder:
    """A text under construction; offsets are UTF-16 code units."""

    def __init__(self) -> None:
        """Start empty."""
        self._pieces: list[str] = []
        self._length = 0
        self._newlines_at_end = 0
        self._newlines_wanted = 0
        self._scopes: list[_Scope] = []
        self._entities: list[MessageEntity] = []

    def lines(self, count: int) -> None:
        """Ask for at least `count` newlines before the next character; none before the first one of all."""
        self._newlines_wanted = max(self._newlines_wanted, count)

    def write(self, text: str) -> None:
        """Append text inside every open scope."""
        if not text:
            return
        self._write_wanted_newlines()
        for scope in self._scopes:
            if scope.start is None:
                scope.start = self._length
        self._append(text)

    def open(self, entity_type: str, url: str | None = None) -> None:
        """Begin a style, link or quote with the next character."""
        muted = any(scope.type == entity_type for scope in self._scopes)
        self._scopes.append(_Scope(entity_type, url, muted))

    def close(self, entity_type: str) -> None:
        """End the innermost scope of this type; does nothing when there is none."""
        for index in range(len(self._scopes) - 1, -1, -1):
            if self._scopes[index].type == entity_type:
                self._finish(self._scopes.pop(index))
                return

    def write_code(self, text: str, entity_type: str = "code", language: str | None = None) -> None:
        """Append monospace text; open styles pause for it, and inside a link the link wins."""
        if not text:
            return
        if entity_type == "code" and any(scope.type == "text_link" for scope in self._scopes):
            self.write(text)
            return
        self._pause_styles()
        self._write_wanted_newlines()
        for scope in self._scopes:
            if scope.type not in STYLES and scope.start is None:
                scope.start = self._length
        start = self._length
        self._append(text)
        self._entities.append(MessageEntity(entity_type, start, self._length - start, language=language))

    def mark(self) -> int:
        """Return a place for `since`."""
        return len(self._pieces)

    def since(self, mark: int) -> str:
        """Return what was written after the mark."""
        return "".join(self._pieces[mark:])

    def finish(self) -> tuple[str, tuple[MessageEntity, ...]]:
        """Return the text and its entities, outer before inner, in the order of the text."""
        while self._scopes:
            self._finish(self._scopes.pop())
        self._entities.sort(key=lambda entity: (entity.offset, -entity.length, entity.type in CODE))
        return "".join(self._pieces), tuple(self._entities)

    def _append(self, text: str) -> None:
        self._pieces.append(text)
        self._length += utf16_length(text)
        stripped = text.rstrip("\n")
        trailing = len(text) - len(stripped)
        self._newlines_at_end = trailing if stripped else self._newlines_at_end + trailing

    def _write_wanted_newlines(self) -> None:
        missing = self._newlines_wanted - self._newlines_at_end
        self._newlines_wanted = 0
        if missing > 0 and self._length:
            self._append("\n" * missing)

    def _pause_styles(self) -> None:
        for scope in self._scopes:
            if scope.type in STYLES:
                self._finish(scope)
                scope.start = None

    def _finish(self, scope: _Scope) -> None:
        if scope.start is not None and scope.start < self._length and not scope.muted:
            self._entities.append(
                MessageEntity(scope.type, scope.start, self._length - scope.start, url=scope.url)
            )
