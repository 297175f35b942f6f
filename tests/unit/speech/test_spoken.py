"""What of an answer is read aloud."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.spoken import REST, spoken_text


@pytest.mark.parametrize(
    ("markdown", "said"),
    [
        pytest.param("Done. All tests pass.", "Done. All tests pass.", id="prose"),
        pytest.param("# Result\n\nIt **works** now", "Result. It works now.", id="heading-and-style"),
        pytest.param("- one\n- two\n  - three", "one. two. three.", id="list"),
        pytest.param("I wrote `notes.txt`.", "I wrote notes.txt.", id="a-name-in-code"),
        pytest.param("See [the docs](https://example.org/x?y=1).", "See the docs.", id="link"),
        pytest.param("> 🎙 hello\n\n✅ Saved", "hello. Saved.", id="no-emoji"),
        pytest.param("Use `rm -rf /` now.", f"Use now. {REST}", id="code-is-left-out"),
        pytest.param("Run this:\n\n```sh\nmake all\n```", f"Run this: {REST}", id="code-block"),
        pytest.param("Sizes:\n\n|a|b|\n|-|-|\n|1|2|", f"Sizes: {REST}", id="table"),
        pytest.param("It is in /srv/app/main.py now.", "It is in now.", id="path"),
        pytest.param("See https://example.org/a_b?c=d.", "See", id="address"),
        pytest.param("```py\nx = 1\n```", None, id="nothing-but-code"),
        pytest.param("", None, id="nothing"),
        pytest.param("🎉", None, id="nothing-to-say"),
    ],
)
def test_spoken_text_is_the_prose_of_an_answer(markdown: str, said: str | None) -> None:
    """Prose is read; code, tables, addresses and signs are not, and what is missing is told."""
    found = spoken_text(markdown, 600)
    assert found == said if said != "See" else found in {"See", "See."}


def test_a_long_answer_is_spoken_up_to_the_end_of_its_first_paragraph() -> None:
    """The first paragraph is the summary; the rest is in the text."""
    markdown = "I mended the login.\n\n" + "More about how that was done. " * 50
    assert spoken_text(markdown, 300) == f"I mended the login. {REST}"


def test_a_long_first_paragraph_ends_with_a_sentence() -> None:
    """It is not cut within a sentence that would have fitted."""
    assert spoken_text("One two three. " * 40, 100) == f"{'One two three. ' * 5}{REST}"


_WORDS = st.text(alphabet=st.sampled_from("abc .,!`*_|#>-\n~/:\\[]()<&é漢🎉"), max_size=400)


@given(_WORDS, st.integers(80, 700))
def test_spoken_text_is_never_longer_than_its_limit(markdown: str, limit: int) -> None:
    """Whatever an agent writes, what is paid for is bounded, on one line, and has a word in it."""
    said = spoken_text(markdown, limit)
    if said is not None:
        assert len(said) <= limit
        assert "\n" not in said
        assert re.search(r"\w", said)


@given(
    st.lists(st.sampled_from(["Fine.", "All is well, I think.", "- a point"]), max_size=4), st.integers(0, 4)
)
def test_code_tables_and_addresses_are_never_read_aloud(blocks: list[str], place: int) -> None:
    """Wherever they stand between prose, no sign of them is heard."""
    unheard = (
        "```py\nSECRETCODE = 1\n```\n\n|SECRETCELL|b|\n|-|-|\n|1|2|\n\nhttps://SECRETHOST.example/SECRETPATH"
    )
    markdown = "\n\n".join([*blocks[:place], unheard, *blocks[place:]])
    assert "SECRET" not in (spoken_text(markdown, 600) or "")
