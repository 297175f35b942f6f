"""Load on three web and three worker processes while everything fails, once after the other and together.

`WIREROOM_TEST_CHAOS_SECONDS` sets how long, `WIREROOM_TEST_SEED` which faults; `make chaos` is the whole: ten
minutes. `WIREROOM_TEST_CHAOS_REPORT` names a folder for the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from pathlib import Path

import pytest

from chaos.evidence import Watch, collect
from chaos.faults import schedule
from chaos.hands import Hands
from chaos.load import Load
from chaos.report import Course, write_report
from chaos.site import Site, running_site
from chaos.verdict import broken_promises
from wireroom.testing.eventually import eventually

SECONDS = float(os.environ.get("WIREROOM_TEST_CHAOS_SECONDS", "15"))
SEED = int(os.environ.get("WIREROOM_TEST_SEED", "2496"))
REPORT = os.environ.get("WIREROOM_TEST_CHAOS_REPORT", "")
_SETTLE_SECONDS = 120.0

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.timeout(SECONDS + 400),
    # Streams whose other end was killed while nobody read them are closed by the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def play(site: Site) -> Course:
    """Run load and faults to their end; return what happened and what was found."""
    faults = schedule(SEED, SECONDS, [member.name for member in site.cluster.members])
    began = time.monotonic()
    chance = random.Random(SEED)  # noqa: S311 - the same chances in every run, no secret
    load, hands, enough = Load(site, chance, began), Hands(site, began, chance), asyncio.Event()
    watch = Watch(site, load)
    watching = asyncio.create_task(watch.run(), name="watch")
    asking = asyncio.create_task(load.run(enough), name="load")
    try:
        await hands.carry_out(faults)
        await asyncio.sleep(max(0.0, SECONDS - load.now()))
        enough.set()
        await asking
        await load.stop_clock()
        with contextlib.suppress(AssertionError):  # the verdict says which are lost
            await eventually(watch.is_over, "every wish has come true", _SETTLE_SECONDS)
        await asyncio.sleep(2.0)
    finally:
        watching.cancel()
        asking.cancel()
        await asyncio.gather(watching, asking, return_exceptions=True)
    found = await asyncio.to_thread(collect, site, load)
    return Course(SEED, SECONDS, load, hands, watch.samples, found, broken_promises(found))


async def test_chaos_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """Every wish comes true once, no run is worked on by two at once, whatever fails meanwhile."""
    async with running_site(tmp_path) as site:
        course = await play(site)
    write_report(course, Path(REPORT) if REPORT else None)
    assert course.broken == []
    assert course.hands.died_alone == []
