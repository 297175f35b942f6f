"""What the page says: every key that is asked for is written, and none is written in vain."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import wireroom.web
from wireroom.web.languages import load_texts, texts_of, translator
from wireroom.web.screens import SCREENS, Screen

WEB = Path(wireroom.web.__file__).parent
ASKED = re.compile(r"""["'`](?P<key>[a-z_]+\.[a-z][a-z0-9_-]*)["'`]""")
BUILT = re.compile(r"""["'`](?P<start>[a-z_]+\.(?:[a-z][a-z0-9_-]*)?)(?:\$\{|["'] ~)""")


def sources() -> str:
    """Return every template and script of ours as one text."""
    files = [*WEB.glob("templates/*.html"), *WEB.glob("static/*.js")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_text_that_is_asked_for_is_written() -> None:
    """A key in a template or script is one of the language, or the page would show the key itself."""
    texts = load_texts()
    rooms = {key.partition(".")[0] for key in texts}
    asked = {match["key"] for match in ASKED.finditer(sources())}
    missing = {key for key in asked - texts.keys() if key.partition(".")[0] in rooms and is_whole(key)}
    assert missing == set()


def test_no_text_is_written_in_vain() -> None:
    """A text that nothing asks for, whole or by its beginning, is one that no translator need bother with."""
    source = sources()
    asked = {match["key"] for match in ASKED.finditer(source)}
    begun = tuple(match["start"] for match in BUILT.finditer(source))
    unused = {key for key in load_texts() if key not in asked and not key.startswith(begun)}
    assert unused == set()


def is_whole(key: str) -> bool:
    """Tell a key from the beginning of one, such as `common.screen-`, and from a file's name."""
    return not key.endswith("-") and key.rpartition(".")[2] not in {"js", "css", "html", "svg", "json"}


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.name)
def test_screen_is_complete(screen: Screen) -> None:
    """Each screen has its template, its script, its style, its texts, and a name in the navigation."""
    for place in ("templates/{}.html", "static/{}.js", "static/{}.css", "languages/en/{}.json"):
        assert (WEB / place.format(screen.stem)).exists()
    assert load_texts()[f"common.screen-{screen.name}"]


def test_screen_gets_its_own_and_the_common_texts() -> None:
    """What another screen says does not weigh on this one."""
    texts = load_texts()
    assert {key.partition(".")[0] for key in texts_of(texts, "board")} == {"board", "common"}
    assert {key.partition(".")[0] for key in texts_of(texts, "runs")} == {"runs", "diff", "common"}


def test_text_takes_values_by_name() -> None:
    """Placeholders are filled; a key that nobody wrote is an error of the template, not an empty place."""
    t = translator({"board.left": "{count} left"})
    assert t("board.left", count=3) == "3 left"
    with pytest.raises(KeyError):
        t("board.unknown")
