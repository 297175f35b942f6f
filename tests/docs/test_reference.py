"""The reference says what the code does: tables as made from it, every route, one word for one thing."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from reference_tables import FOLDER, remade, routes

ROOT = Path(__file__).parents[2]
REFERENCE = sorted(FOLDER.glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted((ROOT / "src" / "wireroom").rglob("*.py"))
GLOSSARY = FOLDER / "glossary.md"

by_page = pytest.mark.parametrize("page", REFERENCE, ids=[page.stem for page in REFERENCE])


def _rows(page: Path) -> list[list[str]]:
    """Return the cells of the page's table rows."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _unused_words() -> list[str]:
    """Return the words that the glossary rules out."""
    cells = [row[2] for row in _rows(GLOSSARY)[1:] if len(row) == 3]
    return [word.strip() for cell in cells for word in cell.split(",") if word.strip(" -|")]


@by_page
def test_made_tables_are_as_the_code_has_them(page: Path) -> None:
    """Tables made from the code are up to date; `python tests/docs/reference_tables.py` makes them so."""
    assert page.read_text() == remade(page.read_text())


@by_page
def test_page_is_in_the_index(page: Path) -> None:
    """The index of the documentation links every page of the reference."""
    assert f"(reference/{page.name})" in (ROOT / "docs" / "README.md").read_text()


def test_every_route_is_described_and_no_other() -> None:
    """http.md has a row for each method of each path that is served."""
    text = (FOLDER / "http.md").read_text()
    described = re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) \S+)` \|", text, re.MULTILINE)

    assert set(described) == routes()


def test_words_are_listed_once() -> None:
    """The glossary has each word once, with a meaning, and rules some others out."""
    words = [row[0] for row in _rows(GLOSSARY)[1:] if set(row[0]) != {"-"}]

    assert len(words) == len(set(words))
    assert {
        "agent",
        "attempt",
        "back end",
        "conversation",
        "delivery",
        "job",
        "lane",
        "run",
        "task",
    } <= set(words)
    assert all(row[1] for row in _rows(GLOSSARY))
    assert len(_unused_words()) > 10


def test_ruled_out_words_are_not_used() -> None:
    """No document, and no docstring or message of the code, uses a word that the glossary rules out."""
    texts = {page: _prose(page) for page in PAGES if page != GLOSSARY}
    texts |= {source: _docstrings(source) for source in SOURCES}
    words = {word: _alone(word) for word in _unused_words()}

    assert [
        (word, str(path.relative_to(ROOT)))
        for path, text in texts.items()
        for word, found in words.items()
        if found.search(text)
    ] == []


def _alone(word: str) -> re.Pattern[str]:
    """Return what finds the word, or more than one of it, but not as a part of a name or a path."""
    return re.compile(rf"(?<![\w/.`-]){re.escape(word)}s?(?![\w/`(=.]\w|\w)", re.IGNORECASE)


def _prose(page: Path) -> str:
    """Return the page without code."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`]*`", "", text)


def _docstrings(source: Path) -> str:
    """Return what the file's docstrings begin with, without the code in them."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, kinds)]
    text = "\n".join(doc.partition("\n\n")[0] for node in nodes if (doc := ast.get_docstring(node)))
    return re.sub(r"`[^`]*`", "", text)
