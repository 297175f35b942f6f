"""Which relative paths may be meant at all, which names are hidden, and in which order names come."""

from __future__ import annotations

import pytest

from wireroom.errors import BadInput
from wireroom.workspaces.confine import parts_of
from wireroom.workspaces.names import is_hidden, listing_key


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("", ()),
        (".", ()),
        ("a", ("a",)),
        ("a/b", ("a", "b")),
        ("./a//b/", ("a", "b")),
        ("a b/ü.txt", ("a b", "ü.txt")),
        ("..a/b..", ("..a", "b..")),
        ("%2e%2e%2fa", ("%2e%2e%2fa",)),
        ("..%2Fa", ("..%2Fa",)),
        ("..\\a", ("..\\a",)),
        ("-rf", ("-rf",)),
        ("~root", ("~root",)),
    ],
)
def test_path_within_is_split_into_its_parts(path: str, parts: tuple[str, ...]) -> None:
    """What is no climb is a name, however it looks."""
    assert parts_of(path) == parts


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("..", id="up"),
        pytest.param("../a", id="up and in"),
        pytest.param("a/..", id="back"),
        pytest.param("a/./../../b", id="far up"),
        pytest.param("/", id="root"),
        pytest.param("/etc/passwd", id="absolute"),
        pytest.param("//a", id="two slashes"),
        pytest.param("a\0b", id="nul"),
        pytest.param("\ud800", id="surrogate"),
        pytest.param("a/" * 3000, id="long"),
    ],
)
def test_path_that_cannot_be_within_is_refused(path: str) -> None:
    """Climbing, absolute and impossible paths are the caller's mistake."""
    with pytest.raises(BadInput):
        parts_of(path)


@pytest.mark.parametrize(
    "name",
    [
        *(".git", ".GIT", "node_modules", ".DS_Store", "debug.log", "x.TMP", "venv"),
        *(".env", ".Env", ".env.local", ".ENV.Production", ".env.production.local", ".env.example.local"),
    ],
)
def test_name_of_the_list_is_hidden(name: str) -> None:
    """Dependencies, output, secrets and git's own are hidden, whatever the case."""
    assert is_hidden(name)


@pytest.mark.parametrize(
    "name", [".github", ".gitignore", "log", "environment", ".env.example", ".env.local.sample", "a.logs", ""]
)
def test_name_beside_the_list_is_shown(name: str) -> None:
    """A name that only resembles a hidden one is shown."""
    assert not is_hidden(name)


def test_names_are_sorted_as_people_sort_them() -> None:
    """Marks, digits, letters; case and accents only break ties."""
    names = ["Zoo", "b", "a", "B", "A", "10", "_x", "ärger", "arzt", "9", ".x", "azur", "é", "e", "f", "日本"]
    expected = [
        "_x",
        ".x",
        "10",
        "9",
        "a",
        "A",
        "ärger",
        "arzt",
        "azur",
        "b",
        "B",
        "e",
        "é",
        "f",
        "Zoo",
        "日本",
    ]
    assert sorted(names, key=listing_key) == expected
