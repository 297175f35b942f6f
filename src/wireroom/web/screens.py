"""The page's screens: what the navigation lists, and what each of them is made of."""

from __future__ import annotations

from dataclasses import dataclass

CHAT = "chat"
PREFIX = "/room/"


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. Its template, script, style and texts carry its name."""

    name: str
    icon: str
    """Of the sprite in `templates/icons.html`."""

    @property
    def path(self) -> str:
        """The address; the chat is the page's front."""
        return "/" if self.name == CHAT else PREFIX + self.name

    @property
    def stem(self) -> str:
        """The name of its files, without what follows the dot."""
        return self.name.replace("-", "_")


SCREENS = (
    Screen(CHAT, "chat"),
    Screen("board", "board"),
    Screen("runs", "work"),
    Screen("agents", "clock"),
    Screen("queues", "queue"),
    Screen("files", "folder"),
    Screen("performance", "pulse"),
    Screen("dead-letters", "fail"),
    Screen("people", "people"),
    Screen("settings", "sliders"),
    Screen("health", "heart"),
)
"""In the order of the navigation."""
