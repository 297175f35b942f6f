"""The cache in one process: one computation however many ask, exact invalidation, and the file on disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from hashlib import shake_128
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from wireroom.cache.cache import Cache
from wireroom.cache.changes import TagChanged
from wireroom.cache.names import Cached, Level, Source
from wireroom.perf.metrics import REGISTRY
from wireroom.store.database import after_commit
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually

_MINUTE = timedelta(minutes=1)
ROWS = Cached("rows", "rows", Source.ROWS, _MINUTE, "a test", memory_share=0.5)
PROVED = Cached("trees", "files", Source.FILES, _MINUTE, "a test", memory_share=0.5, lower=(Level.DISK,))
CONTENT = Cached(
    "content", "content", Source.CONTENT, _MINUTE, "nothing", memory_share=0.5, lower=(Level.DISK,)
)

_COUNT = text("SELECT count(*) FROM people")
_ADD = text("INSERT INTO people (bot_id, user_id, name, role, created_at) VALUES (1, 1, '', 'member', 1)")


class Maker:
    """Computes 1, 2, 3 …, waiting while it is held."""

    def __init__(self) -> None:
        """Begin at nothing made."""
        self.made = 0
        self.begun = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self) -> int:
        """Make the next one."""
        self.begun += 1
        await self.may_go_on.wait()
        self.made += 1
        return self.made


@pytest.fixture
def clock() -> ManualClock:
    """Lend a clock that stands still."""
    return ManualClock()


@pytest.fixture
async def make_cache(clock: ManualClock) -> AsyncIterator[Callable[..., Cache]]:
    """Lend a maker of caches, which are closed afterwards."""
    made: list[Cache] = []

    def make(**how: object) -> Cache:
        made.append(Cache(monotonic=clock.monotonic, draw=lambda: 0.0, **how))  # type: ignore[arg-type] # a test's
        return made[-1]

    yield make
    for cache in made:
        await cache.close()


def _figure(metric: str, /, **labels: str) -> float:
    return REGISTRY.get_sample_value(metric, labels) or 0.0


async def test_value_is_computed_once_and_given_until_its_end(
    make_cache: Callable[..., Cache], clock: ManualClock
) -> None:
    """A hit computes nothing; after its time the value is made again."""
    kept, maker = make_cache().open(ROWS, int), Maker()
    assert [await kept.get_or_compute("a", maker) for _ in range(3)] == [1, 1, 1]
    clock.advance(61)
    assert await kept.get_or_compute("a", maker) == 2


async def test_time_counts_from_before_the_reading(
    make_cache: Callable[..., Cache], clock: ManualClock
) -> None:
    """A computation that takes longer than a value may live leaves nothing: its rows are older than that."""
    kept, maker = make_cache().open(ROWS, int), Maker()

    async def slowly() -> int:
        made = await maker()
        clock.advance(61)
        return made

    assert [await kept.get_or_compute("a", slowly) for _ in range(2)] == [1, 2]


async def test_many_callers_share_one_computation(make_cache: Callable[..., Cache]) -> None:
    """Who asks while the value is being computed waits for that one."""
    kept, maker = make_cache().open(ROWS, int), Maker()
    maker.may_go_on.clear()
    callers = [asyncio.create_task(kept.get_or_compute("a", maker)) for _ in range(50)]
    await eventually(lambda: maker.begun, "the computation begins")
    maker.may_go_on.set()
    assert await asyncio.gather(*callers) == [1] * 50
    assert maker.begun == 1


async def test_leaving_caller_does_not_end_the_computation(make_cache: Callable[..., Cache]) -> None:
    """The first caller's cancellation costs the others nothing."""
    kept, maker = make_cache().open(ROWS, int), Maker()
    maker.may_go_on.clear()
    first = asyncio.create_task(kept.get_or_compute("a", maker))
    await eventually(lambda: maker.begun, "the computation begins")
    second = asyncio.create_task(kept.get_or_compute("a", maker))
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    maker.may_go_on.set()
    assert await second == 1
    assert maker.begun == 1


async def test_failure_is_given_to_all_who_wait_and_not_kept(make_cache: Callable[..., Cache]) -> None:
    """An error is everybody's who asked, and the next caller tries again."""
    kept, fails = make_cache().open(ROWS, int), True

    async def compute() -> int:
        await asyncio.sleep(0)
        if fails:
            raise ConnectionError("not now")
        return 7

    found = await asyncio.gather(
        *(kept.get_or_compute("a", compute) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in found] == [ConnectionError] * 3
    fails = False
    assert await kept.get_or_compute("a", compute) == 7


async def test_none_is_never_kept(make_cache: Callable[..., Cache]) -> None:
    """What does not exist takes no room, and is found as soon as it does."""
    kept, found = make_cache().open(ROWS, int), iter([None, None, 5])

    async def compute() -> int | None:
        return next(found)

    assert [await kept.get_or_compute("a", compute) for _ in range(4)] == [None, None, 5, 5]


async def test_change_during_the_computation_is_not_hidden(make_cache: Callable[..., Cache]) -> None:
    """A value that was read before the change serves who asked before it, and nobody afterwards."""
    cache, maker = make_cache(), Maker()
    kept = cache.open(ROWS, int)
    maker.may_go_on.clear()
    before = asyncio.create_task(kept.get_or_compute("a", maker, tags=("red",)))
    await eventually(lambda: maker.begun, "the computation begins")
    cache.forget("red")
    after = asyncio.create_task(kept.get_or_compute("a", maker, tags=("red",)))
    await eventually(lambda: maker.begun == 2, "the later caller does not wait for the older reading")
    maker.may_go_on.set()
    assert sorted(await asyncio.gather(before, after)) == [1, 2]
    assert await kept.get_or_compute("a", maker, tags=("red",)) == await after


async def test_key_pattern_and_tag_end_what_they_name(make_cache: Callable[..., Cache]) -> None:
    """Each way of telling forgets its own and nothing else."""
    cache = make_cache()
    kept = cache.open(ROWS, str)

    async def ask(key: str) -> str:
        async def compute() -> str:
            return f"{key} anew"

        found: str = await kept.get_or_compute(key, compute, tags=(f"tag of {key}",))
        return found

    for key in ("a/1", "a/2", "b/1", "c"):
        await ask(key)
    cache.forget_key(ROWS, "b/1")
    cache.forget_matching(ROWS, "a/*")
    assert list(kept.memory.entries) == ["c"]
    cache.forget("tag of c")
    assert not kept.memory.entries


async def test_value_near_its_end_is_made_anew_beside(
    make_cache: Callable[..., Cache], clock: ManualClock
) -> None:
    """The caller who comes near the end gets the old value at once, and the next one the new."""
    cache = make_cache()
    kept, maker = cache.open(ROWS, int), Maker()
    await kept.get_or_compute("a", maker)
    entry = kept.memory.entries["a"]
    entry.fresh_until = clock.monotonic()
    assert await kept.get_or_compute("a", maker) == 1

    async def renewed() -> bool:
        return bool(await kept.get_or_compute("a", maker) == 2)

    await eventually(renewed, "it is made anew")
    assert maker.begun == 2


async def test_refresh_that_fails_leaves_the_value(
    make_cache: Callable[..., Cache], clock: ManualClock
) -> None:
    """While it lasts, an old value is better than none."""
    kept = make_cache().open(ROWS, int)

    async def good() -> int:
        return 1

    async def bad() -> int:
        raise ConnectionError("not now")

    await kept.get_or_compute("a", good)
    kept.memory.entries["a"].fresh_until = clock.monotonic()
    assert [await kept.get_or_compute("a", bad) for _ in range(3)] == [1, 1, 1]


async def test_cache_that_is_off_computes_each_time(make_cache: Callable[..., Cache]) -> None:
    """Without memory for it nothing is kept, not even for those who ask together."""
    kept, maker = make_cache(memory_bytes=0).open(ROWS, int), Maker()
    assert [await kept.get_or_compute("a", maker) for _ in range(3)] == [1, 2, 3]


async def test_rows_of_postgres_are_not_kept_without_news(make_cache: Callable[..., Cache]) -> None:
    """Where nobody tells of other processes' commits, every question is a computation."""
    kept, maker = make_cache(dialect="postgresql").open(ROWS, int), Maker()
    assert [await kept.get_or_compute("a", maker) for _ in range(3)] == [1, 2, 3]


async def test_unit_tells_after_its_commit_and_not_when_it_fails(
    make_cache: Callable[..., Cache], database: SqliteDatabase
) -> None:
    """A committed write is seen by the next reader; one that failed has changed nothing."""
    cache = make_cache()
    kept = cache.open(ROWS, int)

    async def compute() -> int:
        return await database.read(lambda conn: conn.execute(_COUNT).scalar_one())

    def add(conn: Connection, *, fail: bool) -> None:
        conn.execute(
            text(
                "INSERT INTO people (bot_id, user_id, name, role, created_at) VALUES (1, 1, 'a', 'member', 1)"
            )
        )
        after_commit(conn, TagChanged("people"))
        if fail:
            raise ValueError("as it happens")

    assert await kept.get_or_compute("n", compute, tags=("people",)) == 0
    with pytest.raises(ValueError, match="as it happens"):
        await database.write(lambda conn: add(conn, fail=True))
    assert "n" in kept.memory.entries
    await database.write(lambda conn: add(conn, fail=False))
    assert await kept.get_or_compute("n", compute, tags=("people",)) == 1


async def test_proved_value_is_looked_at_each_time(make_cache: Callable[..., Cache]) -> None:
    """What nobody tells of is given only after its proof, and made again when that fails."""
    kept, maker, truth = make_cache().open(PROVED, int), Maker(), [1]

    async def is_current(value: int) -> bool:
        return value in truth

    async def ask() -> int:
        found: int = await kept.get_or_compute("a", maker, is_current=is_current)
        return found

    assert [await ask(), await ask()] == [1, 1]
    truth[:] = [2]
    assert [await ask(), await ask()] == [2, 2]
    truth[:] = []
    assert [await ask(), await ask()] == [3, 4]


async def test_late_caller_does_not_share_an_older_reading_of_files(make_cache: Callable[..., Cache]) -> None:
    """A change that was made before the question is in the answer, also while another asks."""
    cache = Cache(draw=lambda: 0.0)
    kept, truth, gate = cache.open(PROVED, str), ["old"], asyncio.Event()
    readings = 0

    async def read() -> str:
        nonlocal readings
        readings += 1
        seen = truth[0]
        await gate.wait()
        return seen

    async def is_current(value: str) -> bool:
        return value == truth[0]

    first = asyncio.create_task(kept.get_or_compute("a", read, is_current=is_current))
    await eventually(lambda: readings, "the first reads")
    truth[0] = "new"
    second = asyncio.create_task(kept.get_or_compute("a", read, is_current=is_current))
    gate.set()
    assert (await first, await second) == ("old", "new")
    await cache.close()


async def test_disk_gives_a_value_to_the_next_process(
    make_cache: Callable[..., Cache], tmp_path: Path
) -> None:
    """What is on disk outlives the process, and is promoted to memory when it is found."""
    file, maker = tmp_path / "cache.sqlite3", Maker()
    first = make_cache(disk=file)
    assert await first.open(CONTENT, int).get_or_compute("a", maker) == 1
    level = first._disk
    assert level is not None

    async def is_stored() -> bool:
        return bool(await level.sizes())

    await eventually(is_stored, "the value is on disk")
    await first.close()
    second = make_cache(disk=file)
    kept = second.open(CONTENT, int)
    before = _figure("wireroom_cache_promoted_total", name="content", level="memory")
    assert [await kept.get_or_compute("a", maker) for _ in range(2)] == [1, 1]
    assert _figure("wireroom_cache_promoted_total", name="content", level="memory") == before + 1
    assert maker.made == 1
    assert (file.stat().st_mode & 0o777) == 0o600


async def test_disk_forgets_what_it_is_told_to(make_cache: Callable[..., Cache], tmp_path: Path) -> None:
    """A key that was forgotten is found neither in memory nor on disk."""
    cache, maker = make_cache(disk=tmp_path / "cache.sqlite3"), Maker()
    kept = cache.open(PROVED, int)

    async def true(value: int) -> bool:
        return value > 0

    await kept.get_or_compute("a", maker, is_current=true)
    assert cache._disk is not None
    disk = cache._disk

    async def is_stored() -> bool:
        return bool(await disk.sizes())

    await eventually(is_stored, "the value is on disk")
    cache.forget_key(PROVED, "a")
    await cache.settled()
    assert not await is_stored()
    assert await kept.get_or_compute("a", maker, is_current=true) == 2


async def test_disk_stays_within_its_bound(make_cache: Callable[..., Cache], tmp_path: Path) -> None:
    """What was used longest ago goes when there is no room."""
    cache = make_cache(disk=tmp_path / "cache.sqlite3", disk_bytes=40_000, memory_bytes=1)
    kept = cache.open(CONTENT, bytes)
    assert cache._disk is not None

    for number in range(30):

        async def compute(number: int = number) -> bytes:
            return shake_128(bytes([number])).digest(3000)

        await kept.get_or_compute(f"key-{number}", compute)
    await kept.settled()
    ((_, entries, taken),) = await cache._disk.sizes()
    assert 0 < taken <= 40_000
    assert 5 < entries < 30


@pytest.mark.parametrize(
    "content", [pytest.param(b"no database at all" * 100, id="no database"), pytest.param(b"", id="empty")]
)
async def test_unusable_file_is_begun_anew(
    make_cache: Callable[..., Cache], tmp_path: Path, content: bytes
) -> None:
    """A damaged cache costs a warning, never a request."""
    file, maker = tmp_path / "cache.sqlite3", Maker()
    file.write_bytes(content)
    cache = make_cache(disk=file)
    kept = cache.open(CONTENT, int)
    assert await kept.get_or_compute("a", maker) == 1
    await kept.settled()
    await kept.get_or_compute("b", maker)
    await kept.settled()
    assert cache._disk is not None
    assert "content" in [name for name, _, _ in await cache._disk.sizes()]


async def test_file_that_cannot_be_made_is_done_without(
    make_cache: Callable[..., Cache], tmp_path: Path
) -> None:
    """Without a place on disk everything still works, from memory."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    kept, maker = make_cache(disk=blocked / "cache.sqlite3").open(CONTENT, int), Maker()
    assert [await kept.get_or_compute("a", maker) for _ in range(2)] == [1, 1]


async def test_figures_tell_hits_misses_and_what_is_kept(make_cache: Callable[..., Cache]) -> None:
    """A look counts by name, level and result; memory's share is told once a second."""
    cache, maker = make_cache(), Maker()
    kept = cache.open(ROWS, int)
    names = ("hit", "miss")
    before = {
        one: _figure("wireroom_cache_lookups_total", name="rows", level="memory", result=one) for one in names
    }
    for _ in range(5):
        await kept.get_or_compute("a", maker)
    await cache.keep_tidy()
    after = {
        one: _figure("wireroom_cache_lookups_total", name="rows", level="memory", result=one) for one in names
    }
    assert {one: after[one] - before[one] for one in names} == {"hit": 4, "miss": 1}
    assert _figure("wireroom_cache_entries", name="rows", level="memory") == 1
    assert _figure("wireroom_cache_bytes", name="rows", level="memory") > 0


async def test_watchers_are_told_of_every_possible_change(make_cache: Callable[..., Cache]) -> None:
    """Also when another process has committed, and nobody knows what."""
    cache, told = make_cache(), list[str]()
    cache.watch("red", lambda: told.append("red"))
    cache.forget("blue")
    cache.forget("red")
    cache.hear_outside()
    assert told == ["red", "red"]
