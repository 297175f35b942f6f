"""Latencies in bins."""

from __future__ import annotations

import random

import pytest

from wireroom.load.histogram import bin_of, binned, merged, ms_of, percentile


@pytest.mark.parametrize("ms", [0.02, 0.5, 1.0, 9.99, 200.0, 30_000.0])
def test_bin_is_true_to_one_per_cent(ms: float) -> None:
    """What a bin stands for is within a per cent of what fell into it."""
    assert ms_of(bin_of(ms)) == pytest.approx(ms, rel=0.0101)


def test_bin_takes_what_is_too_short_to_measure() -> None:
    """Zero is in the least bin."""
    assert bin_of(0.0) == bin_of(0.01)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 1.0])
def test_percentile_is_that_of_the_samples(share: float) -> None:
    """A percentile of bins is the nearest-rank percentile of the samples, to one per cent."""
    chance = random.Random(7)  # noqa: S311 - samples, not secrets
    samples = sorted(chance.lognormvariate(3, 1) for _ in range(1_000))

    found = percentile(binned(samples), share)

    assert found == pytest.approx(samples[int(len(samples) * share) - 1], rel=0.02)


def test_percentile_of_nothing_is_none() -> None:
    """Without samples there is no percentile."""
    assert percentile({}, 0.5) is None


def test_merged_counts_add_up() -> None:
    """Bins of two pieces are those of both together."""
    assert merged([{1: 2, 5: 1}, {1: 1}, {}]) == {1: 3, 5: 1}
