"""What a measurement refuses before it begins, and how it marks what is its own."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from wireroom.errors import BadInput, SettingsError
from wireroom.load.conduct import refuse_without_locust
from wireroom.load.patterns import USUAL, Pattern
from wireroom.load.questions import token_of, tokens_in
from wireroom.load.scene import Wanted, new_mark, set_scene


def test_missing_locust_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Locust the command says what to install."""
    monkeypatch.setitem(sys.modules, "locust", None)

    with pytest.raises(SettingsError, match=r"pip install 'wireroom\[load\]'"):
        refuse_without_locust()


async def test_address_that_is_none_is_refused() -> None:
    """What is no http address is refused before anything is started."""
    wanted = Wanted(pattern=Pattern.STEADY, extent=USUAL[Pattern.STEADY], beside=Path(), url="localhost:3000")

    async with AsyncExitStack() as stack:
        with pytest.raises(BadInput, match="--url"):
            await set_scene(stack, wanted)


@pytest.mark.parametrize("unix_seconds", [1_790_000_000.0, 1_790_000_000.1, 1_799_999_999.9])
def test_mark_is_found_again_in_its_tokens(unix_seconds: float) -> None:
    """A mark has no sign that its tokens are cut by."""
    mark = new_mark(unix_seconds)

    assert tokens_in(f"Mended: {token_of(mark, 7)}", mark) == {f"{mark}x7"}


def test_marks_of_two_measurements_differ() -> None:
    """Measurements a second apart do not count each other's answers."""
    assert new_mark(1_790_000_000.0) != new_mark(1_790_000_001.0)
