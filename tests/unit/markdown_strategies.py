"""Markdown as Hypothesis makes it: real constructs in any order and nesting, and plain noise."""

from __future__ import annotations

from hypothesis import strategies as st

characters = st.characters() | st.sampled_from("😀👨‍👩‍👧🇩🇪é中\u0301\u200d\ud83d*_`~[]()<>#|-\\\n ")
noise = st.text(characters, max_size=60)
words = st.text("abcXYZ019é中😀", min_size=1, max_size=8)
sentence = st.lists(words, min_size=1, max_size=12).map(" ".join)


def _wrapped(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    marks = ["**{}**", "*{}*", "~~{}~~", "`{}`", "[{}](https://x.org/)", "[{}](a/b.py)", "<b>{}</b>", "<T>{}"]
    return st.builds(lambda mark, text: mark.format(text), st.sampled_from(marks), inner)


inline = st.recursive(
    sentence, lambda inner: _wrapped(inner) | st.lists(inner, max_size=3).map(" ".join), max_leaves=5
)


def _indent(prefix: str, text: str) -> str:
    return "\n".join(prefix + line for line in text.split("\n"))


def _item(text: str) -> str:
    return "- " + _indent("  ", text)[2:]


def _table(rows: list[list[str]]) -> str:
    header, *body = ["|" + "|".join(row) + "|" for row in rows]
    return "\n".join([header, "|" + "-|" * len(rows[0]), *body])


_cells = st.lists(inline, min_size=2, max_size=2)
_leaf = st.one_of(
    inline,
    st.builds("{} {}".format, st.sampled_from(["#", "##", "####"]), inline),
    st.builds("```{}\n{}\n```".format, st.sampled_from(["", "py", "c++"]), noise),
    st.lists(_cells, min_size=1, max_size=4).map(_table),
    st.builds("[{}]: {}".format, words, words),
    st.just("---"),
    st.builds("<details>\n<summary>{}</summary>".format, words),
    noise,
)


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        inner.map(lambda text: _indent("> ", text)),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: "\n".join(map(_item, items))),
        st.lists(inner, min_size=1, max_size=3).map("\n\n".join),
    )


markdown = st.recursive(_leaf, _nested, max_leaves=8)
"""A whole document."""
