"""The watches of a service: who is told of what they find, and that they end with it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import insert, select

from wireroom.app.engine import open_engine
from wireroom.app.probes import owner_alert
from wireroom.app.service import Service
from wireroom.clock import SystemClock
from wireroom.perf.gc_pauses import PauseWatch
from wireroom.perf.gc_tuning import THRESHOLDS, spare_the_collector
from wireroom.perf.metrics import REGISTRY
from wireroom.settings import Settings
from wireroom.store.schema import deliveries, people
from wireroom.testing.eventually import eventually

BOT = 4711
OWNER = 99


def watch_thread() -> threading.Thread | None:
    """Return the thread that watches the loop, if there is one."""
    return next((thread for thread in threading.enumerate() if thread.name == "loop watch"), None)


@pytest.mark.parametrize(
    ("chat", "told"),
    [("", [(BOT, OWNER, None)]), ("-100123:17", [(BOT, -100123, 17)])],
    ids=["the owner", "the operator's chat"],
)
async def test_alert_goes_to_the_owner_unless_a_chat_is_set(
    database_path: Path, chat: str, told: list[tuple[int, int, int | None]]
) -> None:
    """What a watch finds is a delivery like any other, to the operator's chat or the owner's."""
    settings = Settings(data_dir=database_path.parent, bot_token=SecretStr(f"{BOT}:x"), operator_chat=chat)
    owner = insert(people).values(bot_id=BOT, user_id=OWNER, name="Ada", role="owner", created_at=0)
    async with open_engine(settings, SystemClock()) as engine:
        await engine.db.write(lambda conn: conn.execute(owner))
        await owner_alert(settings, engine, SystemClock())("Memory grows.")
        columns = (deliveries.c.bot_id, deliveries.c.chat_id, deliveries.c.thread_id, deliveries.c.body)
        rows = await engine.db.read(lambda conn: conn.execute(select(*columns)).all())

    assert [tuple(row) for row in rows] == [(*one, "Memory grows.") for one in told]


async def test_alert_without_a_bot_or_an_owner_tells_nobody(database_path: Path) -> None:
    """Without anybody to tell, the log has it and nothing fails."""
    for token in ("", f"{BOT}:x"):
        settings = Settings(data_dir=database_path.parent, bot_token=SecretStr(token))
        async with open_engine(settings, SystemClock()) as engine:
            await owner_alert(settings, engine, SystemClock())("Memory grows.")
            rows = await engine.db.read(lambda conn: conn.execute(select(deliveries.c.id)).all())
        assert rows == []


async def test_watches_end_with_their_service(database_path: Path) -> None:
    """A service watches its process while it runs, and leaves neither thread nor hook behind."""
    settings = Settings(data_dir=database_path.parent, port=0, drain_seconds=0)
    hooks = len(gc.callbacks)
    async with Service(settings):
        await eventually(watch_thread, "the watch has begun")
        assert len(gc.callbacks) == hooks + 1
        assert (REGISTRY.get_sample_value("wireroom_memory_bytes") or 0) >= 0

    assert watch_thread() is None
    assert len(gc.callbacks) == hooks


@pytest.fixture
def usual_collector() -> Iterator[None]:
    """Give the collector back as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.mark.usefixtures("usual_collector")
def test_collector_is_spared_what_lives_for_ever() -> None:
    """What was made before is out of its sight, and it looks less often."""
    spare_the_collector()

    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == THRESHOLDS


def test_pauses_of_the_collector_are_noted() -> None:
    """Each run counts in its generation, while the watch is on and not after."""

    def runs() -> float:
        return REGISTRY.get_sample_value("wireroom_gc_pause_seconds_count", {"generation": "2"}) or 0.0

    watch, before = PauseWatch(), runs()
    watch.start()
    gc.collect()
    watch.stop()
    gc.collect()
    watch.stop()

    assert runs() == before + 1
