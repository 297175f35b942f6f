"""Naming places in code."""

from __future__ import annotations

import json
import sys

from wireroom.perf import stacks
from wireroom.perf.stacks import is_ours, place_of, short_file, show, stack_of

PACKAGE = str(stacks._PACKAGE)


def test_place_is_the_innermost_line_that_is_ours() -> None:
    """Lines of the standard library below ours are passed over."""
    seen: list[str] = []

    class Looking(json.JSONEncoder):
        def default(self, o: object) -> str:
            del o
            frame = sys._getframe(1)
            seen.append(place_of(stack_of(frame)))
            return ""

    json.dumps({"a": object()}, cls=Looking, indent=1)

    (place,) = seen
    assert place.startswith("perf/test_stacks.py:")
    assert place.endswith("test_place_is_the_innermost_line_that_is_ours")


def test_stack_is_outermost_first_and_bounded() -> None:
    """The last line is where the frame is; a deep recursion keeps the innermost lines."""

    def deeper(levels: int) -> tuple[stacks.Line, ...]:
        return deeper(levels - 1) if levels else stack_of(sys._getframe())

    found = deeper(stacks.DEEPEST + 50)

    assert len(found) == stacks.DEEPEST
    assert "deeper" in show(found[-1])
    assert "deeper" in show(found[0])


def test_files_are_named_from_their_package_on() -> None:
    """Ours, libraries', the interpreter's and other files are each shortened so that people know them."""
    assert short_file(PACKAGE + "intake/accept.py") == "intake/accept.py"
    assert (
        short_file("/x/lib/python3.11/site-packages/sqlalchemy/engine/base.py") == "sqlalchemy/engine/base.py"
    )
    assert short_file(str(json.__file__)) == "json/__init__.py"
    assert short_file("/home/me/plugin/back_end.py") == "plugin/back_end.py"


def test_ours_is_neither_library_nor_interpreter() -> None:
    """The package and people's own files are ours; libraries, frozen modules and our fakes are not."""
    assert is_ours(PACKAGE + "runs/loop.py")
    assert is_ours("/home/me/plugin/back_end.py")
    assert not is_ours(PACKAGE + "testing/clock.py")
    assert not is_ours("/x/lib/python3.11/site-packages/sqlalchemy/engine/base.py")
    assert not is_ours(str(json.__file__))
    assert not is_ours("<frozen importlib._bootstrap>")
