"""Answers as HTML: what Markdown means is kept, and nothing that an agent writes becomes more than that."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.api.answer_html import render_answer

SAFE_TAGS = {f"h{level}" for level in range(1, 7)} | {
    *("p", "br", "hr", "strong", "em", "s", "code", "pre", "ul", "ol", "li", "a", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
SAFE_ATTRIBUTES = {"href", "target", "rel", "title", "class", "start"}
OUTSIDE = 'target="_blank" rel="noopener noreferrer nofollow"'


class Seen(HTMLParser):
    """Collects every tag and attribute that a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**a** `b`", "<p><strong>a</strong> <code>b</code></p>\n"),
        ("a\nb", "<p>a<br />\nb</p>\n"),
        ("```py\nx < 1\n```", '<pre><code class="language-py">x &lt; 1\n</code></pre>\n'),
        ("Vec<String>", "<p>Vec&lt;String&gt;</p>\n"),
        ("<script>x()</script>", "<p>&lt;script&gt;x()&lt;/script&gt;</p>\n"),
        ("[x](javascript:x)", "<p>[x](javascript:x)</p>\n"),
        ("[x](data:text/html,x)", "<p>[x](data:text/html,x)</p>\n"),
        ("[x](/logout)", "<p>[x](/logout)</p>\n"),
        (
            "[x](https://e.example)",
            f'<p><a href="https://e.example" {OUTSIDE}>x</a></p>\n',
        ),
        (
            "![seen](https://e.example/p.png)",
            f'<p><a href="https://e.example/p.png" {OUTSIDE}>seen</a></p>\n',
        ),
        (
            "[![seen](https://e.example/p.png)](https://e.example)",
            f'<p><a href="https://e.example" {OUTSIDE}>seen</a></p>\n',
        ),
    ],
)
def test_answer_renders(markdown: str, html: str) -> None:
    """CommonMark is rendered; HTML, foreign schemes and pictures are defused."""
    assert render_answer(markdown) == html


def test_answer_with_a_table_renders_it_without_styles() -> None:
    """Agents like tables; the side of a column is a class, since the page allows no inline styles."""
    html = render_answer("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert "<td>1</td>" in html
    assert '<td class="right">2</td>' in html


@given(st.text(alphabet=st.sampled_from("<>\"'&[]()!`*_~|:/\\ \nahrefscriptonjv="), max_size=120))
def test_answer_never_carries_more_than_text_formatting(markdown: str) -> None:
    """Whatever the agent writes, only formatting tags come out, and links only to the web or a mailbox."""
    seen = Seen(render_answer(markdown))
    assert seen.tags <= SAFE_TAGS
    assert {name for name, _ in seen.attributes} <= SAFE_ATTRIBUTES
    links = [value or "" for name, value in seen.attributes if name == "href"]
    assert all(link.lower().startswith(("http://", "https://", "mailto:")) for link in links)
