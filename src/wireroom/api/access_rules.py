"""Who may do what on the page: roles, names of accounts, passwords, and how a browser is called. Pure.

An owner may do everything. A viewer may look, at everything but what would cost or open a door; the guard
asks `may_do` before every route, so that no route can forget it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from wireroom.errors import BadInput

FEWEST_PASSWORD_CHARS = 10
MOST_PASSWORD_CHARS = 200
MOST_NAME_CHARS = 40
_NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MOST_NAME_CHARS - 1}}}")
_OTHERS_IN_THE_AUDIT = frozenset(
    {"page", "program", "network", "stranger", "operator", "telegram", "wireroom"}
)
_LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
_PROFILES = "/admin/profile/"
_FREE_PROFILES = frozenset({"/admin/profile/endpoints", "/admin/profile/watches"})
"""What is counted anyway; every other profile slows the service down while it is taken."""
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
"""The first mark that is found counts: most browsers also name those that they descend from."""
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
_MOST_BROWSER_CHARS = 40


class PageRole(StrEnum):
    """What a session of the page may do."""

    OWNER = "owner"
    """Everything."""
    VIEWER = "viewer"
    """Look."""


def may_do(role: PageRole, method: str, path: str) -> bool:
    """Tell whether the role allows a request.

    Args:
        role: The caller's.
        method: Of the request, in capitals; GET for a WebSocket, over which nothing can be asked for.
        path: Of the request.
    """
    if role is PageRole.OWNER:
        return True
    if path.startswith(_PROFILES) and path not in _FREE_PROFILES:
        return False
    return method in _LOOKING


def account_name(text: str) -> str:
    """Return the name as it is stored.

    Raises:
        BadInput: it cannot be a name.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise BadInput(
            f"A name has 1 to {MOST_NAME_CHARS} letters a-z, digits, dots, dashes or underscores, "
            "and begins with a letter or a digit."
        )
    if name in _OTHERS_IN_THE_AUDIT:
        raise BadInput(f"The audit calls something else {name}. Choose another name.")
    return name


def plain_password(text: str) -> str:
    """Return the password as it is hashed, the same from every keyboard. Source: NIST SP 800-63B, 3.1.1.2."""
    return unicodedata.normalize("NFKC", text)


def new_password(text: str, *, name: str) -> str:
    """Return a password that somebody chose for an account, as it is hashed.

    Raises:
        BadInput: it is too short, too long, or the account's name.
    """
    password = plain_password(text)
    if not FEWEST_PASSWORD_CHARS <= len(password) <= MOST_PASSWORD_CHARS:
        raise BadInput(f"A password has {FEWEST_PASSWORD_CHARS} to {MOST_PASSWORD_CHARS} characters.")
    if name in password.lower() and len(password) < len(name) + FEWEST_PASSWORD_CHARS // 2:
        raise BadInput("The password is little more than the name. Choose another one.")
    if len(set(password)) < FEWEST_PASSWORD_CHARS // 2:
        raise BadInput("The password repeats a few characters. Choose another one.")
    return password


def browser_name(user_agent: str) -> str:
    """Return what a User-Agent header says in a few words, such as `Firefox on Linux`."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser:
        return f"{browser} on {system}" if system else browser
    first = user_agent.strip().split(" ")[0]
    return "".join(char for char in first if char.isprintable())[:_MOST_BROWSER_CHARS]
