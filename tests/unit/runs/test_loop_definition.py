"""Where the definition of done is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.runs.definition import Definition, definition_in, files_named, find_definition


@pytest.mark.parametrize(
    ("text", "passage"),
    [
        pytest.param("Do it.\n\nDefinition of done: tests pass", "tests pass", id="one-line"),
        pytest.param("## Definition of Done\n- a\n- b\n\n## Notes\nx", "- a\n- b", id="section"),
        pytest.param(
            "## Definition of done\n- a\n### Detail\nb\n# End", "- a\n### Detail\nb", id="sub-section"
        ),
        pytest.param("**Definition of done**\n- a", "- a", id="bold"),
        pytest.param("**Definition of Done:** a", "a", id="bold-line"),
        pytest.param("- definition of done - a", "- a", id="list"),
        pytest.param("Definition of done:\na\n# Next\nb", "a", id="ends-at-any-heading"),
        pytest.param("Read what the definition of done says.", None, id="only-mentioned"),
        pytest.param("## Definition of done\n\n## Next", None, id="empty"),
        pytest.param("", None, id="nothing"),
        pytest.param("#" * 50_000, None, id="marks-without-end"),
    ],
)
def test_definition_is_the_passage_under_its_heading(text: str, passage: str | None) -> None:
    """The passage ends at the next heading of its rank."""
    assert definition_in(text) == passage


@pytest.mark.parametrize(
    ("prompt", "files"),
    [
        pytest.param("Do the task at docs/task.md now.", ["docs/task.md"], id="path"),
        pytest.param("Do [the task](docs/task.md#goal) now.", ["docs/task.md"], id="link"),
        pytest.param("Do `TASK.md`, then a-b/c.MD.", ["TASK.md", "a-b/c.MD"], id="several"),
        pytest.param("See [x](https://example.org/a.md)", [], id="address"),
        pytest.param("Read a.mdx and b.md5", [], id="other-files"),
        pytest.param("a.md a.md", ["a.md"], id="once"),
        pytest.param("+" * 100_000 + "](" * 50_000, [], id="signs-without-end"),
    ],
)
def test_files_are_those_that_the_prompt_points_at(prompt: str, files: list[str]) -> None:
    """Links and paths of Markdown files count."""
    assert files_named(prompt) == files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with a folder of work, and a definition outside of it."""
    (tmp_path / "outside.md").write_text("Definition of done: outside")
    work = tmp_path / "root" / "work"
    work.mkdir(parents=True)
    return tmp_path / "root"


@pytest.mark.parametrize(
    ("files", "prompt", "found"),
    [
        pytest.param(
            {"work/t.md": "Definition of done: file", "work/.cursorrules": "Definition of done: rules"},
            "See t.md\nDefinition of done: inline",
            Definition("inline", "prompt"),
            id="inline-first",
        ),
        pytest.param(
            {"work/t.md": "Definition of done: file", "work/.cursorrules": "Definition of done: rules"},
            "See t.md",
            Definition("file", "t.md"),
            id="file-second",
        ),
        pytest.param(
            {"t.md": "Definition of done: above"}, "See t.md", Definition("above", "t.md"), id="in-root"
        ),
        pytest.param(
            {"work/t.md": "no word of it", "work/.cursorrules": "Definition of done: rules"},
            "See t.md",
            Definition("rules", ".cursorrules"),
            id="rules-third",
        ),
        pytest.param(
            {"work/DEFINITION_OF_DONE.md": "all of it"},
            "Meet DEFINITION_OF_DONE.md",
            Definition("all of it", "DEFINITION_OF_DONE.md"),
            id="file-of-that-name",
        ),
        pytest.param({}, "See t.md", None, id="none"),
        pytest.param({}, "See ../outside.md or ../../outside.md", None, id="climbing"),
    ],
)
def test_first_place_that_has_a_definition_counts(
    root: Path, files: dict[str, str], prompt: str, found: Definition | None
) -> None:
    """The prompt, then files it points at, then the rules of the folder."""
    for name, text in files.items():
        (root / name).write_text(text)
    assert find_definition(prompt, root / "work", root) == found


@pytest.mark.parametrize("name", ["link.md", ".cursorrules"])
def test_link_out_of_the_root_leads_nowhere(root: Path, name: str) -> None:
    """What a link leads to counts, not where the link stands."""
    (root / "work" / name).symlink_to(root.parent / "outside.md")
    assert find_definition("See link.md", root / "work", root) is None


def test_absolute_path_counts_only_inside(root: Path) -> None:
    """An absolute path into the root is understood; one elsewhere is nothing."""
    (root / "work" / "t.md").write_text("Definition of done: file")
    assert find_definition(f"See {root / 'work' / 't.md'}", root / "work", root) is not None
    assert find_definition(f"See {root.parent / 'outside.md'}", root / "work", root) is None


def test_root_that_does_not_hold_the_work_is_not_searched(root: Path, tmp_path: Path) -> None:
    """A scratch folder has nothing to do with the repositories' root."""
    (root / "t.md").write_text("Definition of done: file")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert find_definition("See t.md", scratch, root) is None


def test_definition_holds_no_nul(root: Path) -> None:
    """A file of a repository can hold what no database stores."""
    (root / "work" / ".cursorrules").write_bytes(b"Definition of done: a\x00b")
    assert find_definition("Do it", root / "work", root) == Definition("ab", ".cursorrules")
