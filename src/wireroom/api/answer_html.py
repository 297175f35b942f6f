"""An agent's answer as HTML that a page may show: CommonMark with tables, and nothing smuggled in.

HTML in the answer is shown as text, links of other schemes than http, https and mailto are not made, pictures
become links (loading one would tell its server who reads), and links open outside without a referrer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_REMEMBERED = 256
_DEEPEST = 30
_LINK = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)


@lru_cache(maxsize=_REMEMBERED)
def render_answer(markdown: str) -> str:
    """Return the answer as HTML; the last ones are remembered, since an ended run's answer never changes."""
    # A parser is cheap to build, and not safe to share between threads.
    parser = _Reader(
        "commonmark", {"html": False, "breaks": True, "maxNesting": _DEEPEST}, renderer_cls=_Writer
    )
    html: str = parser.enable(["table", "strikethrough"]).render(markdown)
    return html


class _Reader(MarkdownIt):
    """Reads Markdown; a link to anything but the web or a mailbox stays text."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's hook
        return _LINK.match(url) is not None


class _Writer(RendererHTML):
    """Writes HTML; each method is the rule for the token of its name."""

    def link_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        tokens[idx].attrSet("target", "_blank")
        tokens[idx].attrSet("rel", "noopener noreferrer nofollow")
        return self.renderToken(tokens, idx, options, env)

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self._cell(tokens, idx, options, env)

    def td_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return self._cell(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        picture = tokens[idx]
        source = str(picture.attrGet("src") or "")
        label = escapeHtml(self.renderInlineAsText(picture.children, options, env) or source)
        depth = sum(token.nesting for token in tokens[:idx] if token.tag == "a")
        if depth or not source:
            return label
        link = Token("link_open", "a", 1, attrs={"href": source})
        return f"{self.link_open([link], 0, options, env)}{label}</a>"

    def _cell(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Say the column's side by a class: the page's policy allows no style attributes."""
        style = str(tokens[idx].attrs.pop("style", ""))
        if style:
            tokens[idx].attrSet("class", style.removeprefix("text-align:"))
        return self.renderToken(tokens, idx, options, env)
