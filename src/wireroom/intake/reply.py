"""What a command or a press is answered with. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from wireroom.delivery.outbox import Button


@dataclass(frozen=True, slots=True)
class Reply:
    """A message of Wireroom's own."""

    text: str
    """Markdown."""
    buttons: tuple[Button, ...] = ()


def as_reply(said: str | Reply) -> Reply:
    """Return the words as a reply without buttons."""
    return Reply(said) if isinstance(said, str) else said
