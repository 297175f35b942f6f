"""Figures of the service and of processes."""

from __future__ import annotations

import os

import pytest

from wireroom.load.server_figures import (
    MachineTimes,
    ProcessTimes,
    counts_of,
    gauges_of,
    grown,
    own_times,
    read_process,
    share_of_core,
    share_of_machine,
    told_memory,
)

SCRAPE = """\
# HELP wireroom_jobs_depth Jobs now
# TYPE wireroom_jobs_depth gauge
wireroom_jobs_depth{queue="runs",state="waiting"} 7.0
wireroom_jobs_depth{queue="delivery",state="waiting"} 2.0
wireroom_jobs_depth{queue="runs",state="running"} 5.0
# HELP wireroom_loop_lag_seconds Delay
# TYPE wireroom_loop_lag_seconds gauge
wireroom_loop_lag_seconds 0.004
# HELP wireroom_store_commit_seconds Commits
# TYPE wireroom_store_commit_seconds histogram
wireroom_store_commit_seconds_bucket{le="+Inf"} 10.0
wireroom_store_commit_seconds_count 10.0
wireroom_store_commit_seconds_sum 0.02
# HELP wireroom_runs_total Runs
# TYPE wireroom_runs_total counter
wireroom_runs_total{backend="scripted",state="succeeded"} 3.0
"""


def test_gauges_sum_over_queues() -> None:
    """Jobs are added up over their queues; what the service does not show is left out."""
    assert gauges_of(counts_of(SCRAPE)) == {
        "jobs waiting": 9.0,
        "jobs running": 5.0,
        "loop delay, ms": 4.0,
    }


def test_grown_has_counters_that_moved() -> None:
    """Gauges and counters that stood still are no growth."""
    before = counts_of(SCRAPE)
    after = {**before, "wireroom_loop_lag_seconds": 9.0, 'wireroom_runs_total{state="failed"}': 2.0}

    assert grown(before, after) == {'wireroom_runs_total{state="failed"}': 2.0}


def test_mean_is_that_of_the_growth() -> None:
    """The mean of a histogram is over what came in meanwhile."""
    before = {'h_seconds_count{q="a"}': 10.0, 'h_seconds_sum{q="a"}': 1.0, "jobs_count": 3.0}
    after = {'h_seconds_count{q="a"}': 14.0, 'h_seconds_sum{q="a"}': 1.2, "jobs_count": 9.0}

    ((name, (count, mean_ms)),) = own_times(grown(before, after)).items()
    assert (name, count) == ('h_seconds{q="a"}', 4)
    assert mean_ms == pytest.approx(50.0)


def test_told_memory_is_what_the_service_tells() -> None:
    """A service on another machine tells its memory itself, or it is not known."""
    assert told_memory({"wireroom_memory_bytes": 5.0}) == 5
    assert told_memory({"process_resident_memory_bytes": 7.0}) == 7
    assert told_memory({}) is None


def test_counts_refuse_what_is_no_scrape() -> None:
    """A page of HTML is no metrics."""
    with pytest.raises(ValueError, match=r"(?i)convert|invalid"):
        counts_of("<html>hello there</html>")


def test_share_of_core_is_none_without_two_looks() -> None:
    """A share needs a look before, and time between."""
    now = ProcessTimes(1, 3.0)

    assert share_of_core(None, now, 1.0) is None
    assert share_of_core(now, now, 0.0) is None
    assert share_of_core(ProcessTimes(1, 2.0), now, 2.0) == pytest.approx(0.5)


def test_share_of_machine_counts_what_is_not_idle() -> None:
    """Of a hundred ticks of which forty were idle, sixty per cent were used."""
    assert share_of_machine(MachineTimes(1_000, 500), MachineTimes(1_100, 540)) == pytest.approx(0.6)


def test_read_process_sees_this_one() -> None:
    """A process that runs has memory; one that does not is none."""
    found = read_process(os.getpid())

    assert found is not None
    assert found.rss_bytes > 1024 * 1024
    assert read_process(2**22 + 1) is None
