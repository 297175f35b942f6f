"""The error tree: drawn as it is, and answered with the right status."""

from __future__ import annotations

import inspect
import re

import pytest

from wireroom import errors
from wireroom.api.errors import status_of
from wireroom.errors import WireroomError
from wireroom.telegram import errors as telegram_errors

OURS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, WireroomError) and kind.__module__ == errors.__name__
]


def _drawn(text: str) -> dict[str, str]:
    """Return parent by name, as the indentation of the drawing says."""
    above: list[tuple[int, str]] = []
    parents = {}
    for line in text.splitlines():
        found = re.match(r"([ │├└─]*)([A-Z]\w+)", line)
        if found is None or (not found[1].strip() and above):
            continue
        depth = len(found[1])
        above = [(indent, name) for indent, name in above if indent < depth]
        if above:
            parents[found[2]] = above[-1][1]
        above.append((depth, found[2]))
    return parents


def _tree(module: object, root: type[Exception]) -> dict[str, str]:
    return {
        kind.__name__: kind.__base__.__name__
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, root) and kind is not root and kind.__base__ is not None
    }


def test_drawing_in_errors_is_the_tree() -> None:
    """The docstring of `errors` draws every class under its parent."""
    drawing = (errors.__doc__ or "").partition("WireroomError\n")

    assert _drawn(drawing[1] + drawing[2]) == _tree(errors, WireroomError)


def test_drawing_in_telegram_errors_is_the_tree() -> None:
    """The docstring of `telegram.errors` draws every class; `BotAPIError` between is an implementation."""
    drawing = (telegram_errors.__doc__ or "").partition("TelegramError\n")
    tree = _tree(telegram_errors, telegram_errors.BotAPIError)
    expected = {name: "TelegramError" if above == "BotAPIError" else above for name, above in tree.items()}

    assert _drawn(drawing[1] + drawing[2]) == expected


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_every_error_says_what_it_means(kind: type[WireroomError]) -> None:
    """Each class has a sentence of its own."""
    assert kind.__doc__
    assert kind.__doc__ != (kind.__base__ or object).__doc__


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_status_is_the_one_that_the_drawing_names(kind: type[WireroomError]) -> None:
    """Where the tree names a status, the API answers it, for the class and all below it."""
    named = None
    for ancestor in kind.__mro__:
        line = re.search(rf"── {ancestor.__name__} .*?; (\d{{3}})$", errors.__doc__ or "", re.MULTILINE)
        if line is not None:
            named = int(line[1])
            break

    assert status_of(kind("words")) == named
