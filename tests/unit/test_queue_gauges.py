"""What an autoscaler is told of the queues."""

from __future__ import annotations

from wireroom.api.queue_gauges import OldestWaits, QueueGauges
from wireroom.jobs.port import Demand
from wireroom.perf.metrics import REGISTRY

NOW = 1_000.0


def _waiting(due: float) -> Demand:
    return Demand(startable=1, oldest_due_ms=int(due * 1000))


def _shown(name: str, queue: str) -> float | None:
    return REGISTRY.get_sample_value(name, {"queue": queue})


def test_wait_counts_from_when_the_oldest_is_due() -> None:
    """Nothing is known of the time before the first look, so the job's own time counts."""
    assert OldestWaits().seconds("runs", _waiting(940.0), NOW) == 60.0


def test_wait_of_a_job_whose_turn_has_just_come_is_short() -> None:
    """A message that waited an hour behind others of its chat has missed no worker when its turn comes."""
    waits = OldestWaits()
    assert waits.seconds("runs", Demand(running=1), NOW) == 0.0
    assert waits.seconds("runs", _waiting(NOW - 3600), NOW + 5) == 5.0


def test_wait_of_one_queue_says_nothing_of_another() -> None:
    """Each queue is idle on its own."""
    waits = OldestWaits()
    waits.seconds("delivery", Demand(), NOW)
    assert waits.seconds("runs", _waiting(NOW - 60), NOW) == 60.0


def test_wait_is_never_negative() -> None:
    """Another machine's clock may be ahead of ours."""
    assert OldestWaits().seconds("runs", _waiting(NOW + 3), NOW) == 0.0


def test_queue_without_jobs_is_shown_as_0() -> None:
    """An absent gauge would be a broken metric to an autoscaler, and hold every scale-in."""
    QueueGauges(["runs"]).show({"delivery": Demand(running=2, startable=3, oldest_due_ms=990_000)}, NOW)
    assert (_shown("wireroom_queue_depth", "runs"), _shown("wireroom_queue_depth", "delivery")) == (0.0, 5.0)
    assert _shown("wireroom_queue_oldest_seconds", "runs") == 0.0
    assert _shown("wireroom_queue_oldest_seconds", "delivery") == 10.0


def test_unknown_demand_is_not_shown_as_0() -> None:
    """While the database does not answer there is no figure, so nothing is scaled in."""
    gauges = QueueGauges(["runs"])
    gauges.show({}, NOW)
    gauges.clear()
    assert _shown("wireroom_queue_depth", "runs") is None
    assert _shown("wireroom_queue_oldest_seconds", "runs") is None
