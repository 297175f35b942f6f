"""Paths, trees and files on a real file system: nothing outside of the root is listed, named or read."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec
import pytest

from wireroom.errors import BadInput, NotFound
from wireroom.workspaces.confine import open_inside, resolve_inside
from wireroom.workspaces.content import FileText, NotText, TooLarge, read_content
from wireroom.workspaces.tree import FileNode, list_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with files, links of every kind, and a secret beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    root = tmp_path / "root"
    (root / "src" / "deep").mkdir(parents=True)
    (root / "src" / "a.py").write_text("print('ä')\n")
    (root / "src" / "deep" / "b.py").write_text("b")
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("url = https://me:token@host/")
    (root / "README.md").write_text("read me")
    for name, target in {
        "to_file": "src/a.py",
        "to_folder": "src",
        "to_link": "to_folder",
        "self": "self",
        "dangling": "nowhere",
        "out": "../outside",
        "out_file": "../outside/secret.txt",
        "out_absolute": str(tmp_path / "outside"),
        "out_by_link": "out/secret.txt",
        "parent": "..",
        "hidden": ".git",
    }.items():
        (root / name).symlink_to(target)
    (root / "src" / "loop").symlink_to("..")
    (root / "src" / "nested_out").symlink_to("../out")
    # A neighbour whose name begins like the root's.
    (tmp_path / "root-of-another").mkdir()
    (root / "neighbour").symlink_to("../root-of-another")
    return root


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", "."),
        ("src/a.py", "src/a.py"),
        ("to_file", "src/a.py"),
        ("to_link/deep/b.py", "src/deep/b.py"),
        ("src/loop/src/loop/README.md", "README.md"),
    ],
)
def test_path_inside_is_resolved(root: Path, path: str, found: str) -> None:
    """Links that stay inside are followed to what they mean."""
    assert resolve_inside(root, path) == (root / found).resolve()


@pytest.mark.parametrize(
    "path",
    [
        "missing",
        "README.md/x",
        "self",
        "dangling",
        "out",
        "out/secret.txt",
        "out_file",
        "out_absolute/secret.txt",
        "out_by_link",
        "parent",
        "parent/root/README.md/x",
        "src/nested_out/secret.txt",
        "src/loop/out_file",
        "neighbour",
        "..%2Foutside",
        "x" * 300,
    ],
)
def test_path_that_leads_nowhere_or_outside_is_not_found(root: Path, path: str) -> None:
    """Who is led outside learns nothing but that there is nothing."""
    with pytest.raises(NotFound):
        resolve_inside(root, path)


def test_missing_root_is_not_found(tmp_path: Path) -> None:
    """A folder that is not there has nothing in it."""
    with pytest.raises(NotFound):
        resolve_inside(tmp_path / "missing", "")


def test_link_swapped_in_after_the_check_is_not_followed(root: Path) -> None:
    """An agent that replaces a checked file, or a folder above it, by a link gains nothing."""
    base = root.resolve()
    file, deep = resolve_inside(root, "README.md"), resolve_inside(root, "src/deep/b.py")
    file.unlink()
    file.symlink_to("../outside/secret.txt")
    (root / "src" / "deep").rename(root / "src" / "was_deep")
    (root / "src" / "deep").symlink_to("../../outside")
    (root.parent / "outside" / "b.py").write_text("secret")
    for swapped in (file, deep):
        with pytest.raises(NotFound):
            os.close(open_inside(base, swapped))


def test_tree_lists_what_is_inside_once(root: Path) -> None:
    """Folders first; links inside have no children; links outside, dangling and hidden names are left out."""
    tree = list_tree(root)
    assert not tree.truncated
    assert msgspec.to_builtins(tree.nodes) == [
        {"name": "hidden", "path": "hidden", "type": "directory"},
        {
            "name": "src",
            "path": "src",
            "type": "directory",
            "children": [
                {
                    "name": "deep",
                    "path": "src/deep",
                    "type": "directory",
                    "children": [{"name": "b.py", "path": "src/deep/b.py", "type": "file"}],
                },
                {"name": "loop", "path": "src/loop", "type": "directory"},
                {"name": "a.py", "path": "src/a.py", "type": "file"},
            ],
        },
        {"name": "to_folder", "path": "to_folder", "type": "directory"},
        {"name": "to_link", "path": "to_link", "type": "directory"},
        {"name": "README.md", "path": "README.md", "type": "file"},
        {"name": "to_file", "path": "to_file", "type": "file"},
    ]


def test_tree_of_a_sub_folder_names_paths_from_the_root(root: Path) -> None:
    """A path of the listing can be asked for again; one level reads no children."""
    nodes = list_tree(root, "to_link/", depth=1).nodes
    assert [(node.path, node.children) for node in nodes] == [
        ("to_link/deep", None),
        ("to_link/loop", None),
        ("to_link/a.py", None),
    ]
    assert [node.path for node in list_tree(root, nodes[0].path).nodes] == ["to_link/deep/b.py"]


@pytest.mark.parametrize("path", ["README.md", ".git", "src/loop/.git", "hidden", "out", "missing"])
def test_tree_of_what_is_no_visible_folder_is_not_found(root: Path, path: str) -> None:
    """Files, hidden folders and places outside have no listing, by whatever way they are named."""
    with pytest.raises(NotFound):
        list_tree(root, path)


def test_tree_ends_at_its_bound_and_says_so(tmp_path: Path) -> None:
    """Beyond the bound the deepest entries are missing, not the first folders' neighbours."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(5):
            (tmp_path / folder / f"{number}.txt").touch()
    tree = list_tree(tmp_path, most=9)
    assert tree.truncated
    assert [node.name for node in tree.nodes] == ["a", "b"]
    assert [len(node.children or []) for node in tree.nodes] == [5, 2]
    unread = list_tree(tmp_path, most=7)
    assert unread.truncated
    assert [node.children is None for node in unread.nodes] == [False, True]


def test_tree_of_exactly_the_bound_is_whole(tmp_path: Path) -> None:
    """A tree that just fits is not called truncated."""
    for number in range(9):
        (tmp_path / f"{number}.txt").touch()
    assert not list_tree(tmp_path, most=9).truncated


def test_tree_is_no_deeper_than_ten_levels(tmp_path: Path) -> None:
    """The eleventh level is not read."""
    (tmp_path / "/".join("abcdefghijkl")).mkdir(parents=True)
    nodes: list[FileNode] | None = list_tree(tmp_path).nodes
    depth = 0
    while nodes:
        depth, nodes = depth + 1, nodes[0].children
    assert depth == 10


def test_tree_skips_what_cannot_be_named(tmp_path: Path) -> None:
    """A file name that is no UTF-8 is left out instead of breaking the listing."""
    (tmp_path / os.fsdecode(b"caf\xe9")).touch()
    (tmp_path / "café").touch()
    assert [node.name for node in list_tree(tmp_path).nodes] == ["café"]


def test_content_of_a_text_file_is_read(root: Path) -> None:
    """Text comes whole, with its size in bytes."""
    assert read_content(root, "to_link/a.py") == FileText(12, "print('ä')\n")


@pytest.mark.parametrize(
    "path", [".git/config", "hidden/config", "out_file", "out/secret.txt", "src", "pipe", "sock"]
)
def test_content_of_what_is_no_visible_file_is_not_found(root: Path, path: str) -> None:
    """Hidden files, folders, pipes and files outside have no content; a pipe holds nobody up."""
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "sock"))
        with pytest.raises(NotFound):
            read_content(root, path)


@pytest.mark.parametrize("path", ["../outside/secret.txt", "/etc/hostname", "src/../README.md"])
def test_content_of_a_climbing_path_is_refused(root: Path, path: str) -> None:
    """A path that climbs is refused before anything is looked at."""
    with pytest.raises(BadInput):
        read_content(root, path)


def test_content_is_bounded_and_must_be_text(root: Path) -> None:
    """Large files are told by their size, binary ones as what they are."""
    (root / "full.txt").write_bytes(b"x" * 100)
    (root / "large.txt").write_bytes(b"x" * 101)
    (root / "nul.txt").write_bytes(b"a\0b")
    (root / "latin.txt").write_bytes(b"caf\xe9")
    assert read_content(root, "full.txt", most_bytes=100) == FileText(100, "x" * 100)
    assert read_content(root, "large.txt", most_bytes=100) == TooLarge(101)
    assert read_content(root, "nul.txt") == NotText()
    assert read_content(root, "latin.txt") == NotText()
