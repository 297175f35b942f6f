"""What the page says, by key: one folder for each language, in it one file for each screen and `common.json`.

A key is the file's name and its own, such as `board.add`; what some screens share has a file of its own.
Another language is another folder with the same keys; a test holds templates and scripts to them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib.resources import files

COMMON = "common"
LANGUAGE = "en"
Texts = Mapping[str, str]
_PARTS: Mapping[str, frozenset[str]] = {"chat": frozenset({"diff"}), "runs": frozenset({"diff"})}
"""What else a screen says, by its name."""


def load_texts(language: str = LANGUAGE) -> Texts:
    """Read every text of a language, by its whole key."""
    folder = files("wireroom.web") / "languages" / language
    return {
        f"{entry.name.removesuffix('.json')}.{key}": text
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".json")
        for key, text in json.loads(entry.read_text(encoding="utf-8")).items()
    }


def texts_of(texts: Texts, screen: str) -> Texts:
    """Return what one screen's scripts may say: its own, its parts' and the common texts."""
    rooms = {screen, COMMON, *_PARTS.get(screen, ())}
    return {key: text for key, text in texts.items() if key.partition(".")[0] in rooms}


def translator(texts: Texts) -> Callable[..., str]:
    """Return `t(key, name=value, …)`, which raises KeyError for a key that nobody has written."""

    def translate(key: str, **values: object) -> str:
        text = texts[key]
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    return translate
