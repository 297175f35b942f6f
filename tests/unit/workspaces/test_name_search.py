"""Files found by their names."""

from __future__ import annotations

import pytest

from wireroom.workspaces.name_search import find_names
from wireroom.workspaces.tree import FileNode

TREE = [
    FileNode(
        "src",
        "src",
        "directory",
        [
            FileNode("deep", "src/deep", "directory", [FileNode("Main.py", "src/deep/Main.py", "file")]),
            FileNode("unread", "src/unread", "directory"),
            FileNode("main.js", "src/main.js", "file"),
        ],
    ),
    FileNode("main", "main", "directory", [FileNode("a.py", "main/a.py", "file")]),
]


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        ("main", ["src/main.js", "src/deep/Main.py", "main/a.py"]),
        ("PY main", ["src/deep/Main.py", "main/a.py"]),
        ("src/deep", ["src/deep/Main.py"]),
        ("nothing", []),
    ],
)
def test_all_words_stand_in_the_path(words: str, paths: list[str]) -> None:
    """Names come before folders, short paths before long ones; folders themselves are not found."""
    assert find_names(TREE, words, 10) == (paths, False)


def test_more_than_the_bound_are_told() -> None:
    """What is left out is said."""
    assert find_names(TREE, "main", 2) == (["src/main.js", "src/deep/Main.py"], True)
