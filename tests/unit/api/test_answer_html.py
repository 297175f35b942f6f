"""Answers as HTML: what Markdown means is kept, and nothing that an agent writes becomes more than that."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.api.answer_html import DEEPEST, render_answer

SAFE_TAGS = {f"h{level}" for level in range(1, 7)} | {
    *("p", "br", "hr", "strong", "em", "u", "s", "code", "pre", "ul", "ol", "li", "a", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
SAFE_ATTRIBUTES = {"href", "target", "rel", "class", "start"}
OUTSIDE = 'target="_blank" rel="noopener noreferrer nofollow"'


class Seen(HTMLParser):
    """Collects every tag and attribute that a browser would see, and checks that tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.nesting: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one tag."""
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in {"br", "hr"}:
            self.nesting.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the last tag, which must be the one."""
        assert self.nesting.pop() == tag


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**a** `b` ~~c~~", "<p><strong>a</strong> <code>b</code> <s>c</s></p>"),
        ("a\nb", "<p>a<br>b</p>"),
        ("# a\n\n---", "<h1>a</h1><hr>"),
        ("> a", "<blockquote><p>a</p></blockquote>"),
        ("3. a\n   - b", '<ol start="3"><li>a<ul><li>b</li></ul></li></ol>'),
        ("- [x] a\n- [ ] b", "<ul><li>☑ a</li><li>☐ b</li></ul>"),
        ("```py\nx < 1\n```", "<pre><code>x &lt; 1\n</code></pre>"),
        ("Vec<String>", "<p>Vec&lt;String&gt;</p>"),
        ("<b>a</b> <i>b", "<p><strong>a</strong> &lt;i&gt;b</p>"),
        ("<b onclick='x()'>a</b>", "<p><strong>a</strong></p>"),
        ("<script>x()</script>", "<p>&lt;script&gt;x()&lt;/script&gt;</p>"),
        ("[INFO]: done", "<p>[INFO]: done</p>"),
        ("[x](javascript:x)", "<p>x (javascript:x)</p>"),
        ("[x](data:text/html,x)", "<p>x (data:text/html,x)</p>"),
        ("[x](/logout)", "<p>x (/logout)</p>"),
        ("[](https://e.example)", f'<p><a href="https://e.example" {OUTSIDE}>https://e.example</a></p>'),
        ("[x](https://e.example?a&b)", f'<p><a href="https://e.example?a&amp;b" {OUTSIDE}>x</a></p>'),
        ("<me@e.example>", f'<p><a href="mailto:me@e.example" {OUTSIDE}>me@e.example</a></p>'),
        ("![seen](https://e.example/p.png)", f'<p><a href="https://e.example/p.png" {OUTSIDE}>seen</a></p>'),
        ("![](https://e.example/p.png)", f'<p><a href="https://e.example/p.png" {OUTSIDE}>image</a></p>'),
        (
            "[![seen](https://e.example/p.png)](https://e.example)",
            f'<p><a href="https://e.example" {OUTSIDE}>seen</a></p>',
        ),
        ("half \ud800 a character", "<p>half \ufffd a character</p>"),
    ],
)
def test_answer_renders(markdown: str, html: str) -> None:
    """CommonMark is rendered; HTML, foreign schemes and pictures are defused."""
    assert render_answer(markdown) == html


def test_answer_with_a_table_renders_it_without_styles() -> None:
    """Agents like tables; the side of a column is a class, since the page allows no inline styles."""
    html = render_answer("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert html == (
        '<table><thead><tr><th>a</th><th class="right">b</th></tr></thead>'
        '<tbody><tr><td>1</td><td class="right">2</td></tr></tbody></table>'
    )


def test_answer_is_flat_beyond_a_depth() -> None:
    """Ten thousand nested quotes are text, and not ten thousand elements in each other."""
    html = render_answer("> " * 10_000 + "deep")
    assert html.count("<blockquote>") == html.count("</blockquote>") == DEEPEST
    assert "deep" in html


@given(st.text(alphabet=st.sampled_from("<>\"'&[]()!`*_~|:/\\ \n-1.#ahrefscriptonjvbu="), max_size=120))
def test_answer_never_carries_more_than_text_formatting(markdown: str) -> None:
    """Whatever the agent writes, only formatting tags come out, and links only to the web or a mailbox."""
    seen = Seen(render_answer(markdown))
    assert seen.nesting == []
    assert seen.tags <= SAFE_TAGS
    assert {name for name, _ in seen.attributes} <= SAFE_ATTRIBUTES
    links = [value or "" for name, value in seen.attributes if name == "href"]
    assert all(link.lower().startswith(("http://", "https://", "mailto:")) for link in links)
