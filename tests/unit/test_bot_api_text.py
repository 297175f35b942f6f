"""How the Bot API server reads text: HTML, MarkdownV2, entities, limits."""

from __future__ import annotations

from typing import Any

import pytest

from wireroom.testing.bot_api.errors import ApiRefusal
from wireroom.testing.bot_api.html_text import parse_html, utf16_length
from wireroom.testing.bot_api.markdown_text import parse_markdown
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.text import find_commands, read_caption, read_draft, read_text


def _entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        pytest.param("plain > text", "plain > text", [], id="nothing special"),
        pytest.param("<b>bold</b> x", "bold x", [_entity("bold", 0, 4)], id="bold"),
        pytest.param("<B>x</b>", "x", [_entity("bold", 0, 1)], id="case of tags does not matter"),
        pytest.param("<b>x</>", "x", [_entity("bold", 0, 1)], id="nameless end tag"),
        pytest.param("😀<i>é</i>", "😀é", [_entity("italic", 2, 1)], id="offsets in UTF-16 units"),
        pytest.param("&lt;&#65;&#x1F600;&amp;amp", "<A😀&amp", [], id="references"),
        pytest.param("a &nbsp; b & c", "a &nbsp; b & c", [], id="unknown references stand"),
        pytest.param("<b></b>x", "x", [], id="an empty tag leaves nothing"),
        pytest.param(
            '<pre><code class="language-py">x</code></pre>',
            "x",
            [_entity("pre", 0, 1, language="py")],
            id="pre with a language",
        ),
        pytest.param(
            '<code class="language-py">x</code>', "x", [_entity("code", 0, 1)], id="code has no language"
        ),
        pytest.param(
            "<a href='https://e.org/?a=1&amp;b=2'>x</a>",
            "x",
            [_entity("text_link", 0, 1, url="https://e.org/?a=1&b=2")],
            id="link",
        ),
        pytest.param(
            "<a>https://e.org</a>",
            "https://e.org",
            [_entity("text_link", 0, 13, url="https://e.org")],
            id="link without a target",
        ),
        pytest.param(
            "<blockquote expandable>x</blockquote>",
            "x",
            [_entity("expandable_blockquote", 0, 1)],
            id="expandable quotation",
        ),
        pytest.param(
            '<span class="tg-spoiler">x</span><tg-spoiler>y</tg-spoiler>',
            "xy",
            [_entity("spoiler", 0, 1), _entity("spoiler", 1, 1)],
            id="both spoilers",
        ),
        pytest.param(
            '<tg-emoji emoji-id="53">👍</tg-emoji>',
            "👍",
            [_entity("custom_emoji", 0, 2, custom_emoji_id="53")],
            id="custom emoji",
        ),
        pytest.param(
            '<tg-time unix="1647531900" format="wDT">x</tg-time>',
            "x",
            [_entity("date_time", 0, 1, unix_time=1647531900, date_time_format="wDT")],
            id="time",
        ),
    ],
)
def test_html_is_read_into_text_and_entities(source: str, text: str, entities: list[dict[str, Any]]) -> None:
    """Every supported tag becomes its entity, with offsets in UTF-16 code units."""
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("é<br/>", 'Unsupported start tag "br/" at byte offset 2'),
        ("<p>x</p>", 'Unsupported start tag "p" at byte offset 0'),
        ("<b>x", "Can't find end tag corresponding to start tag b"),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<b>x</b", "Unclosed end tag at byte offset 4"),
        ("<b", "Unclosed start tag at byte offset 0"),
        ('<a href="x', "Unclosed start tag at byte offset 0"),
        (
            "<a href>x</a>",
            'Expected equal sign in declaration of an attribute of the tag "a" at byte offset 0',
        ),
        ("<a =x>x</a>", 'Empty attribute name in the tag "a" at byte offset 0'),
        ("<a href=x/y>x</a>", "Unexpected end of name token at byte offset 8"),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
        ("<tg-emoji emoji-id='x'>y</tg-emoji>", "Invalid custom emoji identifier specified"),
        ("<tg-time>y</tg-time>", "Invalid Unix time specified"),
        ("&#xD800;", "Text contains invalid Unicode characters after decoding HTML entities"),
    ],
)
def test_html_that_telegram_refuses_is_refused_with_its_words(source: str, problem: str) -> None:
    """Wrong markup is a 400 that says what and where."""
    with pytest.raises(ApiRefusal) as refusal:
        parse_html(source)
    assert refusal.value.code == 400
    assert refusal.value.description == f"Bad Request: can't parse entities: {problem}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        (r"1\.5 \- plain", "1.5 - plain", []),
        ("*b* _i_ __u__ ~s~ ||x||", "b i u s x", ["bold", "italic", "underline", "strikethrough", "spoiler"]),
        ("*b _i_*", "b i", ["italic", "bold"]),
        ("`a*b`", "a*b", ["code"]),
        ("```py\nx = 1\n```", "x = 1\n", ["pre"]),
        ("[t](https://e.org/a\\)b)", "t", ["text_link"]),
        (">one\n>two\nthree", "one\ntwo\nthree", ["blockquote"]),
        ("![👍](tg://emoji?id=5)", "👍", ["custom_emoji"]),
    ],
)
def test_markdown_is_read_into_text_and_entities(source: str, text: str, entities: list[str]) -> None:
    """Every supported mark becomes its entity."""
    found_text, found = parse_markdown(source)
    assert found_text == text
    assert [entity["type"] for entity in found] == entities


def test_markdown_keeps_targets_and_languages() -> None:
    """A link keeps its unescaped target, a block its language, a quotation its two lines."""
    assert parse_markdown("[t](https://e.org/a\\)b)")[1][0]["url"] == "https://e.org/a)b"
    assert parse_markdown("```py\nx\n```")[1] == [_entity("pre", 0, 2, language="py")]
    assert parse_markdown(">one\n>two\nthree")[1] == [_entity("blockquote", 0, 8)]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("1.5", r"Character '.' is reserved and must be escaped with the preceding '\'"),
        ("a > b", r"Character '>' is reserved and must be escaped with the preceding '\'"),
        ("*b", "Can't find end of Bold entity at byte offset 0"),
        ("é`b", "Can't find end of Code entity at byte offset 2"),
        ("*b _i* x_", "Can't find end of Italic entity at byte offset 8"),
        ("[t](https://e", "Can't find end of a URL at byte offset 3"),
    ],
)
def test_markdown_that_telegram_refuses_is_refused(source: str, problem: str) -> None:
    """A reserved character without its backslash, or a mark without its end, is a 400."""
    with pytest.raises(ApiRefusal, match="can't parse entities") as refusal:
        parse_markdown(source)
    assert refusal.value.description.endswith(problem)


def _text(**raw: Any) -> tuple[str, tuple[dict[str, Any], ...]]:
    return read_text(Params(raw))


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        pytest.param({}, "message text is empty", id="no text"),
        pytest.param({"text": " \n "}, "message text is empty", id="only white space"),
        pytest.param({"text": "<b> </b>", "parse_mode": "HTML"}, "message text is empty", id="only tags"),
        pytest.param({"text": "x" * 4097}, "message is too long", id="4097 letters"),
        pytest.param({"text": "😀" * 2049}, "message is too long", id="4098 units in 2049 characters"),
        pytest.param({"text": "x", "parse_mode": "Textile"}, "unsupported parse_mode", id="mode"),
        pytest.param({"text": "\ud83d"}, "strings must be encoded in UTF-8", id="half a surrogate pair"),
        pytest.param({"text": "x", "entities": "{"}, "can't parse entities: ", id="entities not JSON"),
        pytest.param({"text": "x", "entities": [1]}, "can't parse entities: expected an Object", id="number"),
        pytest.param(
            {"text": "x", "entities": [_entity("blink", 0, 1)]}, "unsupported type specified", id="type"
        ),
        pytest.param({"text": "x", "entities": [_entity("bold", -1, 1)]}, "incorrect offset", id="offset"),
        pytest.param({"text": "x", "entities": [_entity("bold", 0, -1)]}, "incorrect length", id="length"),
        pytest.param({"text": "x", "entities": [_entity("bold", 0, 2)]}, "after the end", id="beyond"),
        pytest.param(
            {"text": "😀", "entities": [_entity("bold", 1, 1)]}, "entity begins in a middle", id="cut"
        ),
        pytest.param(
            {"text": "😀", "entities": [_entity("bold", 0, 1)]}, "entity ends in a middle", id="half"
        ),
    ],
)
def test_text_that_telegram_refuses_is_refused(raw: dict[str, Any], problem: str) -> None:
    """Empty, too long, badly encoded or badly marked text is a 400 with the reason."""
    with pytest.raises(ApiRefusal) as refusal:
        _text(**raw)
    assert refusal.value.code == 400
    assert problem in refusal.value.description


def test_text_is_measured_after_parsing() -> None:
    """4,096 visible letters pass, however long the markup around them."""
    text, entities = _text(text="<b>" + "x" * 4096 + "</b>", parse_mode="html")
    assert len(text) == 4096
    assert entities == (_entity("bold", 0, 4096),)


def test_text_is_trimmed_and_its_entities_follow() -> None:
    """White space at the ends goes, control characters become spaces, entities keep their words."""
    text, entities = _text(text=" \n\ta\r <b>b </b>\n", parse_mode="HTML")
    assert text == "a b"
    assert entities == (_entity("bold", 2, 1),)


def test_text_entities_come_sorted_and_only_where_telegram_shows_them() -> None:
    """Outer before inner; nothing inside code; a link to no host is plain text."""
    source = '<i>a<b>b</b></i><code>x<b>y</b></code><a href="localhost">z</a>'
    _, entities = _text(text=source, parse_mode="HTML")
    assert [entity["type"] for entity in entities] == ["italic", "bold", "code"]


def test_caption_may_be_empty_but_not_long() -> None:
    """A caption has at most 1,024 units."""
    assert read_caption(Params({})) == ("", ())
    with pytest.raises(ApiRefusal, match="caption is too long"):
        read_caption(Params({"caption": "x" * 1025}))


def test_draft_may_be_empty_but_not_long() -> None:
    """A draft has 0 to 4,096 units."""
    assert read_draft(Params({})) == ("", ())
    with pytest.raises(ApiRefusal, match="message is too long"):
        read_draft(Params({"text": "x" * 4097}))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("/start", [(0, 6)]),
        ("é😀 /stop@some_bot now", [(4, 14)]),
        ("a/b http://e.org/c", []),
        ("no command", []),
    ],
)
def test_commands_are_found_in_what_people_type(text: str, places: list[tuple[int, int]]) -> None:
    """A command is an entity; a path or an address is not."""
    assert [(one["offset"], one["length"]) for one in find_commands(text)] == places


def test_utf16_length_counts_code_units() -> None:
    """An emoji outside the basic plane counts two."""
    assert [utf16_length(text) for text in ("", "abc", "é", "😀")] == [0, 3, 1, 2]
