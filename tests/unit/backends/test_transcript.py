"""How much of what an agent says is kept."""

from __future__ import annotations

from wireroom.backends.wire import OMITTED, SAID_CHARS, Transcript

_PIECE = 64 * 1024


def test_transcript_keeps_the_ends_of_an_answer_without_end() -> None:
    """The beginning and the end stay, the middle is counted; what is held has a bound."""
    transcript = Transcript()
    total = 0
    while total < 2 * SAID_CHARS:
        transcript.add(f"<{total}>".ljust(_PIECE, "."))
        total += _PIECE
    half = SAID_CHARS // 2
    text = transcript.text
    mark = OMITTED.format(count=total - 2 * half)
    assert text[half : half + len(mark)] == mark
    assert text.startswith("<0>.")
    assert text[-_PIECE:].startswith(f"<{total - _PIECE}>.")
    assert len(text) == 2 * half + len(mark)
    assert transcript.last_message == text


def test_transcript_of_the_bound_itself_is_whole() -> None:
    """Nothing is cut that fits."""
    transcript = Transcript()
    transcript.add("a")
    transcript.add("b" * (SAID_CHARS - 1))
    assert transcript.text == "a" + "b" * (SAID_CHARS - 1)
