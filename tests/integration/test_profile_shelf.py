"""The shelf that takes profiles without anybody waiting, and keeps the last ten."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from wireroom.errors import Conflict, NotFound
from wireroom.perf.evidence import StatementFigures
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.profile_boxes import boxes_of
from wireroom.perf.profile_samples import Sampled, Spot
from wireroom.perf.profile_shelf import MOST_KEPT, ProfileShelf, ProfileState
from wireroom.perf.profiles import CpuReport, ProfileKind, Profiler, Taken
from wireroom.testing.eventually import eventually

SAMPLES = (Sampled((Spot("thread main"), Spot("handle", "web.py", 5)), 3.0),)


def _breaks() -> Sequence[StatementFigures]:
    raise RuntimeError("planted")


def _shelf(
    statements: Callable[[], Callable[[], Sequence[StatementFigures]]] = lambda: tuple,
) -> ProfileShelf:
    numbers = iter(range(100))
    profiler = Profiler(LoopWatch(), statements, py_spy=lambda: None)
    return ProfileShelf(profiler, new_id=lambda: f"profile-{next(numbers)}", now_ms=lambda: 5000)


async def test_shelf_keeps_the_last_ten_newest_first() -> None:
    """An older one goes, and asking for it says so."""
    shelf = _shelf()
    report = CpuReport(1.0, "within", 1.0, 0.0, {}, (), ())
    for _ in range(MOST_KEPT + 1):
        await shelf.keep(ProfileKind.CPU, 1.0, Taken(report, samples=SAMPLES, facts={"period": "1.0 s"}))
    kept = shelf.all()
    assert [one.id for one in kept] == [f"profile-{number}" for number in range(MOST_KEPT, 0, -1)]
    assert (kept[0].state, kept[0].began_ms, kept[0].boxes()) == ("taken", 4000, boxes_of(SAMPLES, "seconds"))
    with pytest.raises(NotFound, match="last 10"):
        shelf.find("profile-0")


async def test_profile_that_breaks_is_shown_as_failed_and_another_may_begin() -> None:
    """Nobody waits for it, so its line must tell; the shelf ends what is being taken."""
    shelf = _shelf(lambda: _breaks)
    first = await shelf.begin(ProfileKind.SQL, 0.01)
    with pytest.raises(Conflict):
        await shelf.begin(ProfileKind.SQL, 1)
    await eventually(lambda: shelf.find(first.id).state is ProfileState.FAILED, "it is shown as failed")
    await shelf.begin(ProfileKind.SQL, 50)
    await shelf.close()
    with pytest.raises(Conflict):
        await shelf.begin(ProfileKind.SQL, 1)
