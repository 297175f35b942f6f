"""How a run ends that is not worked on again. Pure; `runs.executor` asks before each attempt."""

from __future__ import annotations

from datetime import datetime

from wireroom.clock import to_ms
from wireroom.runs.agent_call import RunPolicy
from wireroom.runs.overdue import too_late
from wireroom.runs.records import Standing
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict

STOPPED = Verdict(RunState.CANCELLED, "", "Stopped on request.", None, "cancelled")
"""The end of a run that somebody stopped before an agent had it."""


def settled_already(standing: Standing, policy: RunPolicy, now: datetime) -> Verdict | None:
    """Return how the run must end without another attempt, None when it shall be worked on."""
    if standing.cancel_wanted:
        return STOPPED
    limit, since = policy.queue_wait, standing.waits_since
    if limit is not None and since is not None and since < to_ms(now - limit):
        return too_late(limit)
    cut_off = standing.interruptions
    if not cut_off or (policy.resume_interrupted and cut_off <= policy.max_interruptions):
        return None
    times = "once" if cut_off == 1 else f"{cut_off} times"
    reason = f"Wireroom went down while the agent worked ({times}). Not tried again."
    return Verdict(RunState.INTERRUPTED, "", reason, None, "interrupted")
