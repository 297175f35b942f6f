"""Whether a value may be kept, for how long, and when it is made anew."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wireroom.cache.names import NAMES, Cached, Level, Source
from wireroom.cache.policy import UNTOLD, Surroundings, keeping, times_of

_HOUR = timedelta(hours=1)


def _cached(source: Source, ttl: timedelta = _HOUR, lower: tuple[Level, ...] = ()) -> Cached:
    return Cached("thing", "things", source, ttl, "nothing", memory_share=0.1, lower=lower)


@pytest.mark.parametrize(
    ("source", "dialect", "hears_news", "kept"),
    [
        pytest.param(Source.ROWS, "sqlite", False, _HOUR, id="the file tells of every commit"),
        pytest.param(Source.ROWS, "sqlite", True, _HOUR, id="the file, with Redis beside"),
        pytest.param(Source.ROWS, "postgresql", False, None, id="nobody tells: nothing is kept"),
        pytest.param(Source.ROWS, "postgresql", True, UNTOLD, id="replicas tell, other programs do not"),
        pytest.param(Source.FILES, "postgresql", False, _HOUR, id="files prove themselves"),
        pytest.param(Source.FIGURES, "postgresql", False, _HOUR, id="a figure may have its age"),
        pytest.param(Source.CONTENT, "postgresql", False, _HOUR, id="what the key says never changes"),
    ],
)
def test_value_is_kept_only_where_its_changes_are_told(
    source: Source, dialect: str, hears_news: bool, kept: timedelta | None
) -> None:
    """Rows are kept where every change is told, briefly where only replicas tell, else not at all."""
    assert keeping(_cached(source), Surroundings(dialect, hears_news=hears_news)) == kept


def test_short_time_is_not_made_longer() -> None:
    """The bound for untold changes only shortens."""
    brief = _cached(Source.ROWS, timedelta(milliseconds=200))
    assert keeping(brief, Surroundings("postgresql", hears_news=True)) == timedelta(milliseconds=200)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_end_is_at_most_a_tenth_early(jitter: float) -> None:
    """Values that were made together end apart, each within a tenth of its time."""
    times = times_of(100.0, 50.0, 0.0, jitter=jitter, draw=1.0)
    assert times.expires_at == pytest.approx(150.0 - 5.0 * jitter)
    assert times.made_at == 100.0


@pytest.mark.parametrize(
    ("cost", "draw", "early"),
    [
        pytest.param(0.0, 0.5, 0.0, id="costs nothing"),
        pytest.param(2.0, 1.0, 0.0, id="the luckiest draw"),
        pytest.param(2.0, 0.3678794, 2.0, id="a usual draw: about its cost"),
        pytest.param(500.0, 0.01, 100.0, id="never before it was made"),
    ],
)
def test_costly_value_is_made_anew_earlier(cost: float, draw: float, early: float) -> None:
    """The moment lies before the end by the cost times a random factor."""
    times = times_of(0.0, 100.0, cost, jitter=0.0, draw=draw)
    assert times.expires_at - times.fresh_until == pytest.approx(early, rel=1e-3)


@pytest.mark.parametrize("source", [Source.ROWS, Source.FIGURES])
def test_rows_are_not_declared_for_the_disk(source: Source) -> None:
    """What a process kept on disk would outlive it, and nobody would tell of changes meanwhile."""
    with pytest.raises(ValueError, match="not kept on disk"):
        _cached(source, lower=(Level.REDIS, Level.DISK))


def test_files_are_not_declared_for_redis() -> None:
    """Another machine has other files under the same path."""
    with pytest.raises(ValueError, match="another machine"):
        _cached(Source.FILES, lower=(Level.REDIS,))


def test_names_share_the_memory() -> None:
    """Each name is declared once, and all shares together are no more than there is."""
    assert len({what.name for what in NAMES}) == len(NAMES)
    assert sum(what.memory_share for what in NAMES) <= 1
    assert all(what.memory_share > 0 for what in NAMES)
