"""Chores go on whatever a round meets, and end only when nothing can be stored any more."""

from __future__ import annotations

import pytest

from wireroom.errors import StoreBusy, StoreLost
from wireroom.store.chore import repeat


async def test_chore_goes_on_after_any_error_and_ends_when_the_store_is_lost() -> None:
    """A busy store, a full disk and a fault of ours cost one round each."""
    rounds = iter([StoreBusy("busy"), OSError("full"), KeyError("ours"), None, StoreLost("gone")])
    done = 0

    async def work() -> None:
        nonlocal done
        done += 1
        if (error := next(rounds)) is not None:
            raise error

    with pytest.raises(StoreLost):
        await repeat("test", work, 0.0)
    assert done == 5
