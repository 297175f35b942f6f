"""The documents say what is there: links, files, commands, settings and examples are held to the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from wireroom.backends.protocol import AgentRequest, Backend, EventKind
from wireroom.cli.main import cli
from wireroom.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "wireroom"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NOT_SETTINGS = {
    "ANTHROPIC_API_KEY",
    "CURSOR_API_KEY",
    "CURSOR_CONFIG_DIR",
    "PLAIN_API_KEY",
    "SCOPE_VARIABLE",
    "WIREROOM_SCOPE",
}
"""Words that look like a setting's name: the agents' own variables, and names in our code."""
OF_TESTS = "WIREROOM_TEST_"
"""What the variables begin with that tests read."""

pages = pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])


def prose(page: Path) -> str:
    """Return the page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def code(page: Path, language: str) -> Iterator[str]:
    """Return the page's blocks of code in the language."""
    blocks = re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return (block.group(1) for block in blocks)


def commands() -> set[str]:
    """Return every command of the command line, such as `up` and `runs list`, and the groups."""
    found: set[str] = set()
    top: Any = typer.main.get_command(cli)
    for name, command in top.commands.items():
        found.add(name)
        found |= {f"{name} {below}" for below in getattr(command, "commands", {})}
    return found


def targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pages
def test_page_links_to_what_exists(page: Path) -> None:
    """Every link to a file, and to a heading of one, leads somewhere."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("http://", "https://", "mailto:")):
            path, _, heading = target.partition("#")
            linked = (page.parent / path).resolve() if path else page
            assert linked.exists(), f"{target} is not there"
            assert not heading or heading in _headings(linked), f"{target}: no such heading"


@pages
def test_page_names_commands_that_exist(page: Path) -> None:
    """Every `wireroom …` and `make …` that a page shows can be typed."""
    known, groups = commands(), {command.split()[0] for command in commands() if " " in command}
    for name, below in re.findall(r"bin/wireroom ([a-z]+)(?: ([a-z][a-z-]+))?", page.read_text()):
        assert (f"{name} {below}" if name in groups else name) in known
    for name in re.findall(r"`wireroom ([a-z]+)", prose(page)):
        assert name in known
    for block in code(page, "sh"):
        assert set(re.findall(r"\bmake ([a-z]+)", block)) <= targets()


@pages
def test_page_names_settings_that_exist(page: Path) -> None:
    """Every variable that looks like one of ours is read by the settings."""
    named = set(
        re.findall(
            r"\b((?:WIREROOM|TELEGRAM|CURSOR|WEBHOOK|SHARED|REPOSITORIES)_[A-Z_]+[A-Z])\b", page.read_text()
        )
    )
    ours = {name for name in named if not name.startswith(OF_TESTS)}
    assert ours - NOT_SETTINGS <= _variables()


def test_index_of_decisions_has_each_once_and_in_order() -> None:
    """The index lists every decision by number, under its page's own title."""
    folder = ROOT / "docs" / "adr"
    listed = re.findall(
        r"^\| \[(\d+)\]\((\S+)\) \| (.+) \|$", (folder / "README.md").read_text(), re.MULTILINE
    )
    found = sorted(path for path in folder.glob("[0-9]*.md"))
    assert [path.name for path in found] == [name for _, name, _ in listed]
    for number, (path, (given, _, title)) in enumerate(zip(found, listed, strict=True), start=1):
        assert int(given) == int(path.name[:4]) == number
        heading = path.read_text().splitlines()[0]
        assert heading.removeprefix(f"# {number}. ").split(",")[0] == title.split(",")[0]


def test_index_lists_every_page() -> None:
    """No page of the documentation is left out of its index."""
    index = (ROOT / "docs" / "README.md").read_text()
    folders = ("tutorial", "how-to", "explanation", "reference")
    written = {
        str(page.relative_to(ROOT / "docs"))
        for name in folders
        for page in (ROOT / "docs" / name).glob("*.md")
    }
    assert written <= set(re.findall(r"\]\(([^)]+)\)", index))


def test_file_map_lists_every_file() -> None:
    """The file map of ARCHITECTURE.md has each file of the package once, and no other."""
    listed: list[str] = []
    package = ""
    for line in (ROOT / "ARCHITECTURE.md").read_text().split("## File map")[1].splitlines():
        if head := re.match(r"\*\*`(.+)/`\*\*", line):
            package = "" if head[1] == "src/wireroom" else f"{head[1]}/"
        elif row := re.match(r"\| `(.+?)` \|", line):
            listed.append(package + row[1])
    kinds = {".py", ".html", ".js", ".css", ".svg", ".sql"}
    there = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*") if path.suffix in kinds}
    there -= {name for name in there if name.endswith("/__init__.py")}
    assert there - set(listed) == set(), "give these files a line in the file map of ARCHITECTURE.md"
    assert sorted(listed) == sorted(there)


def test_example_back_end_works() -> None:
    """The example back end of the guide satisfies the protocol and reads a program's lines."""
    (source,) = code(ROOT / "docs" / "how-to" / "write-a-back-end.md", "python")
    names: dict[str, Any] = {}
    exec(compile(source, "write-a-back-end.md", "exec"), names)  # noqa: S102 - our own page
    backend: Backend = names["PlainBackend"]("/bin/cat", {"PATH": "/bin", "WEBHOOK_SECRET": "x"})
    command = backend.command(AgentRequest("mend it", Path("/tmp"), context="User: hello"))  # noqa: S108 - not used
    assert command.env == {"PATH": "/bin"}
    assert command.stdin is not None
    assert b"mend it" in command.stdin
    parser = backend.parser()
    events = [event for line in ("tool: Bash ls", "done", "") for event in parser.feed(line)]
    assert [event.kind for event in events] == [EventKind.TOOL_CALL, EventKind.TEXT, EventKind.TEXT]
    assert parser.result(0).text == "done"
    assert parser.result(1).is_error


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _variables() -> set[str]:
    aliases = (field.validation_alias for field in Settings.model_fields.values())
    return {str(name) for alias in aliases for name in getattr(alias, "choices", [alias])}
