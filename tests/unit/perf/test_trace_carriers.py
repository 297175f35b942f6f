"""Where a trace goes on: the same place whoever asks, and nowhere while nobody takes traces."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from wireroom.perf import traces


def test_carrier_follows_from_the_origin_alone() -> None:
    """Two processes that know the same origin continue the same trace, at the same span."""
    first = traces.carrier_of("telegram-1-2")

    # A fixed value: another release must continue what this one began.
    assert first == "00-ad03481f0ebe98c62febd7e21bae5ee6-9d9d795f4e76a943-01"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", first)


def test_steps_of_an_origin_share_its_trace() -> None:
    """Each step has a span of its own in the one trace; another origin is another trace."""
    begun, tried, other = (
        traces.carrier_of("a"),
        traces.carrier_of("a", traces.attempt_step(2)),
        traces.carrier_of("b"),
    )
    assert begun.split("-")[1] == tried.split("-")[1] != other.split("-")[1]
    assert len({carrier.split("-")[2] for carrier in (begun, tried, other)}) == 3


def test_no_attempt_is_the_beginning() -> None:
    """What follows from no attempt continues from the receipt."""
    assert traces.attempt_step(0) == traces.BEGINNING
    assert traces.attempt_step(3) == "attempt 3"


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("telegram-123-77", True),
        ("telegram-123-retry-run-1", False),
        ("telegram-123-77-more", False),
        ("req-1763769240000-k3j9x0a2b", False),
    ],
)
def test_origin_of_an_update_is_known(origin: str, expected: object) -> None:
    """Only the request of an update has its beginning elsewhere; every other one begins with its run."""
    assert traces.is_of_update(origin) is expected


def test_nothing_is_taken_while_nobody_listens() -> None:
    """Without a collector a span is one shared object that does nothing, and no call carries anything."""
    assert not traces.is_tracing()
    assert traces.span("a") is traces.span("b", {"x": 1}, role="consumer", after="00-1-2-01")
    traces.note("c", own="00-1-2-01")
    assert traces.carrier() is None


def test_service_does_not_import_the_library() -> None:
    """A service without a collector pays for no library."""
    program = "import sys, wireroom.app.service; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
