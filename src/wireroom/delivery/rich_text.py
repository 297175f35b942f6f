"""One line of a rich message with its formatting: strings, lists, and {"type": "bold", "text": …}. Pure.

Source: Telegram Bot API 10.3, RichText.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wireroom.delivery.markdown import LINE_END, Event
from wireroom.delivery.render import LINKABLE
from wireroom.delivery.rich_limits import MAX_DEPTH, RichText, TooRich, plain

_BREAKS = frozenset({"SoftBreak", "HardBreak", LINE_END})


@dataclass(slots=True)
class _Scope:
    """A style or link that is open, with what stands in it so far."""

    kind: str
    url: str = ""
    pieces: list[RichText] = field(default_factory=list)


class Line:
    """A line under construction."""

    def __init__(self) -> None:
        """Start empty."""
        self._scopes = [_Scope("")]

    @property
    def is_seen(self) -> bool:
        """Whether there is anything but whitespace."""
        return any(plain(scope.pieces).strip() for scope in self._scopes)

    def take(self, event: Event) -> None:
        """Append what the event says.

        Raises:
            TooRich: more styles within each other than a message may have.
        """
        match event.kind:
            case "Text":
                self._write(event.data)
            case "Code":
                self._write({"type": "code", "text": event.data} if event.data else "")
            case kind if kind in _BREAKS:
                self._write("\n")
            case "Link" | "Image":
                # Telegram finds e-mail addresses in a text by itself.
                url = "" if event.data["link_type"] == "Email" else event.data["dest_url"]
                self._open(_Scope(event.kind, url))
            case "/Link" | "/Image":
                self._end_link()
            case kind if kind.startswith("/"):
                self._end_style(event.data)
            case _:
                self._open(_Scope(event.data))

    def finish(self) -> RichText:
        """Return the line without whitespace at its ends."""
        while len(self._scopes) > 1:
            self._end_style(self._scopes[-1].kind)
        return _one(_trimmed(self._scopes[0].pieces))

    def _write(self, piece: RichText) -> None:
        pieces = self._scopes[-1].pieces
        if isinstance(piece, str) and pieces and isinstance(pieces[-1], str):
            pieces[-1] += piece
        elif piece:
            pieces.append(piece)

    def _open(self, scope: _Scope) -> None:
        if len(self._scopes) > MAX_DEPTH:
            raise TooRich
        self._scopes.append(scope)

    def _end_style(self, kind: str) -> None:
        if len(self._scopes) == 1 or self._scopes[-1].kind != kind:
            return
        scope = self._scopes.pop()
        if not scope.pieces:
            return
        # A style of whitespace alone is nothing to see, and nothing to be refused for.
        styled = {"type": kind, "text": _one(scope.pieces)} if plain(scope.pieces).strip() else None
        for piece in [styled] if styled else scope.pieces:
            self._write(piece)

    def _end_link(self) -> None:
        """Link the label if Telegram takes the target, else write it out, as `delivery.render` does."""
        scope = self._scopes.pop()
        label = plain(scope.pieces)
        if not label.strip():
            label = "image" if scope.kind == "Image" else scope.url
            scope.pieces = [label] if label else []
        if LINKABLE.fullmatch(scope.url) and scope.pieces:
            self._write({"type": "url", "text": _one(scope.pieces), "url": scope.url})
            return
        for piece in scope.pieces:
            self._write(piece)
        if scope.url and label != scope.url:
            self._write(f" ({scope.url})")


def _one(pieces: list[RichText]) -> RichText:
    return pieces[0] if len(pieces) == 1 else list(pieces)


def _trimmed(pieces: list[RichText]) -> list[RichText]:
    kept: list[Any] = list(pieces)
    if kept and isinstance(kept[0], str):
        kept[0] = kept[0].lstrip()
    if kept and isinstance(kept[-1], str):
        kept[-1] = kept[-1].rstrip()
    return [piece for piece in kept if piece]
