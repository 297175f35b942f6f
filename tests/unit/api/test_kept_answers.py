"""Answers that are kept for the next reader."""

from __future__ import annotations

from wireroom.api.kept_answers import Answer, KeptAnswers


class Clock:
    """Stands still."""

    now = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def kept(clock: Clock, most_bytes: int = 100, largest_bytes: int = 50) -> KeptAnswers:
    """Return an empty memory."""
    return KeptAnswers(most_bytes=most_bytes, largest_bytes=largest_bytes, now=clock)


def answer(size: int) -> Answer:
    """Return an answer of this size."""
    return Answer([], b"x" * size, '"x"')


def test_answer_is_kept_for_its_time() -> None:
    """Up to its time it is found, from then on not."""
    clock = Clock()
    memory = kept(clock)
    memory.keep("a", answer(1), seconds=2.0, state=1)
    clock.now = 1.9
    assert memory.find("a", 1) == answer(1)
    clock.now = 2.0
    assert memory.find("a", 1) is None


def test_answer_of_another_state_is_forgotten() -> None:
    """After a write it is not found, even if the number came back."""
    memory = kept(Clock())
    memory.keep("a", answer(1), seconds=2.0, state=1)
    assert memory.find("a", 2) is None
    assert memory.find("a", 1) is None


def test_least_used_answers_go_first() -> None:
    """The bound is on bytes; what was found lately stays, what is too large is not kept at all."""
    memory = kept(Clock())
    for key in ("a", "b"):
        memory.keep(key, answer(40), seconds=9.0, state=None)
    memory.find("a", None)
    memory.keep("c", answer(40), seconds=9.0, state=None)
    memory.keep("d", answer(51), seconds=9.0, state=None)
    assert [memory.find(key, None) is not None for key in "abcd"] == [True, False, True, False]


def test_answer_that_is_kept_again_counts_once() -> None:
    """A hundred new versions of one answer push nothing else out."""
    memory = kept(Clock())
    memory.keep("a", answer(40), seconds=9.0, state=None)
    for _ in range(100):
        memory.keep("b", answer(50), seconds=9.0, state=None)
    assert memory.find("a", None) is not None
