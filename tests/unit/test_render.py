"""Markdown as agents write it, and what a person then sees."""

from __future__ import annotations

import pytest

from wireroom.delivery.render import Rendered, render


def shown(rendered: Rendered) -> list[tuple[str, str]]:
    """Return (type, covered text) of each entity, in order."""
    units = rendered.text.encode("utf-16-le")
    return [
        (entity.type, units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le"))
        for entity in rendered.entities
    ]


CASES: list[tuple[str, str, str, list[tuple[str, str]]]] = [
    ("paragraphs", "one\n\n\ntwo\nthree", "one\n\ntwo\nthree", []),
    ("heading", "# Title\ntext", "Title\n\ntext", [("bold", "Title")]),
    ("styles", "**a** *b* ~~c~~", "a b c", [("bold", "a"), ("italic", "b"), ("strikethrough", "c")]),
    ("nested styles", "**a *b***", "a b", [("bold", "a b"), ("italic", "b")]),
    ("emoji count two units", "😀 **b**", "😀 b", [("bold", "b")]),
    ("inline code", "run `x < 1`", "run x < 1", [("code", "x < 1")]),
    ("code splits a style", "**a `b` c**", "a b c", [("bold", "a "), ("code", "b"), ("bold", " c")]),
    ("heading of code", "## `f`", "f", [("code", "f")]),
    ("fence", "a\n```py x\nif 1:\n  pass\n```\nb", "a\n\nif 1:\n  pass\n\nb", [("pre", "if 1:\n  pass")]),
    ("unclosed fence", "```\nx", "x", [("pre", "x")]),
    ("indented code", "a\n\n    b\n", "a\n\nb", [("pre", "b")]),
    ("bullets", "- a\n- b\n  - c\n", "• a\n• b\n  • c", []),
    ("list after a line", "Changes:\n- a", "Changes:\n• a", []),
    ("list after a blank line", "Changes:\n\n- a", "Changes:\n\n• a", []),
    ("numbers", "3. a\n4. b", "3. a\n4. b", []),
    ("loose item", "1. a\n\n   more\n2. b", "1. a\n  more\n2. b", []),
    ("code in an item", "- a\n  ```sh\n  ls\n  ```\n- b", "• a\nls\n• b", [("pre", "ls")]),
    ("tasks", "- [ ] a\n- [x] b", "☐ a\n✅ b", []),
    ("empty item", "- \n- b", "• \n• b", []),
    ("quote", "> a\n> b\n\nc", "a\nb\n\nc", [("blockquote", "a\nb")]),
    ("quote in a quote", "> a\n>> b", "a\n\nb", [("blockquote", "a\n\nb")]),
    ("rule", "a\n\n---\n\nb", "a\n\n———\n\nb", []),
    ("link", "[a](https://x.org/)", "a", [("text_link", "a")]),
    ("code in a link", "[`a`](https://x.org/)", "a", [("text_link", "a")]),
    ("link to a file", "[a](src/a.py#L3)", "a (src/a.py#L3)", []),
    ("file linked to itself", "[src/a.py](src/a.py)", "src/a.py", []),
    ("link to localhost", "<http://localhost:3000/>", "http://localhost:3000/", []),
    ("link without a label", "[](src/a.py)", "src/a.py", []),
    ("mail", "<a@x.org>", "a@x.org", []),
    ("image", "![plan](https://x.org/p.png)", "plan", [("text_link", "plan")]),
    ("image without a text", "![](https://x.org/p.png)", "image", [("text_link", "image")]),
    ("generic type", "a Vec<String> of <T>", "a Vec<String> of <T>", []),
    ("HTML block", "<div>\nx\n</div>\n\ny", "<div>\nx\n</div>\n\ny", []),
    ("HTML styles", "a <b>b</b> <i>c</i><br>d", "a b c\nd", [("bold", "b"), ("italic", "c")]),
    ("unpaired tag", "use <b> for bold", "use <b> for bold", []),
    ("crossed tags", "<b>x <i>y</b> z</i>", "x <i>y z</i>", [("bold", "x <i>y")]),
    ("details", "<details><summary>More</summary>\n\nx\n\n</details>", "More\n\nx", [("bold", "More")]),
    ("log line", "[INFO]: started\n\n[INFO]: done", "[INFO]: started\n\n[INFO]: done", []),
    ("log line in an item", "- [API]: up", "• [API]: up", []),
    ("used definition", "see [a]\n\n[a]: https://x.org/", "see a", [("text_link", "a")]),
    ("definition in code", "```\n[a]: b\n```", "[a]: b", [("pre", "[a]: b")]),
    ("about", "~5 to 10~ or ~a~", "~5 to 10~ or ~a~", []),
    ("prices and paths", r"$5 and $HOME, C:\dir, a || b", r"$5 and $HOME, C:\dir, a || b", []),
    ("entities", "&lt;a&gt; &amp;", "<a> &", []),
    ("lone surrogate", "a\ud800b", "a\ufffdb", []),
    ("carriage returns", "a\r\nb\rc", "a\nb\nc", []),
    ("nothing", " \n\n", "", []),
]


@pytest.mark.parametrize(
    ("markdown", "text", "entities"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_render_shows(markdown: str, text: str, entities: list[tuple[str, str]]) -> None:
    """Each construct has one look; what Telegram cannot show is still there as text."""
    rendered = render(markdown)
    assert rendered.text == text
    assert shown(rendered) == entities


@pytest.mark.parametrize(
    ("info", "language"),
    [("python", "python"), ("c++", "c++"), ("js title=a.js", "js"), ("", None), ("{.x}", None)],
)
def test_render_keeps_the_language_of_code(info: str, language: str | None) -> None:
    """The first word after the fence is the language, if it looks like one."""
    [entity] = render(f"```{info}\nx\n```").entities
    assert entity.language == language


def test_narrow_table_is_aligned() -> None:
    """A table that fits a phone becomes columns of one width, wide characters counted twice."""
    rendered = render("|Name|Size|\n|-|-:|\n|`a.py`|10|\n|中文|2000|\n")
    assert rendered.text == "Name  Size\n────  ────\na.py    10\n中文  2000"
    assert [entity.type for entity in rendered.entities] == ["pre"]


def test_wide_table_becomes_a_block_per_row() -> None:
    """A table that would wrap on a phone names each cell instead; nothing is lost, links neither."""
    long = "word " * 12
    rendered = render(f"|File|What|\n|-|-|\n|[a](src/a.py)|{long}|\n|b|**c**|\n|||\n")
    assert rendered.text == f"File: a (src/a.py)\nWhat: {long.strip()}\n\nFile: b\nWhat: c"
    assert shown(rendered) == [("bold", "File:"), ("bold", "What:")] * 2


def test_table_in_a_list_and_after_text() -> None:
    """A table stands on its own lines wherever it is."""
    rendered = render("- a\n\n  |x|y|\n  |-|-|\n  |1|2|\n- b")
    assert rendered.text == "• a\nx  y\n─  ─\n1  2\n• b"


@pytest.mark.parametrize(
    ("markdown", "plain"),
    [
        (
            "see [a](https://x.org/), 😀 [b](https://y.org/)!",
            "see a (https://x.org/), 😀 b (https://y.org/)!",
        ),
        ("<https://x.org/>", "https://x.org/"),
        ("**a**", "a"),
    ],
    ids=["links", "bare link", "no link"],
)
def test_plain_spells_out_links(markdown: str, plain: str) -> None:
    """The fallback without formatting still tells where a link goes."""
    assert render(markdown).plain == plain
