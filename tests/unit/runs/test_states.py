"""Which moves a run may make."""

from __future__ import annotations

import itertools

import pytest

from wireroom.errors import Conflict
from wireroom.runs.states import RunState, check_move

FINAL = {
    RunState.SUCCEEDED,
    RunState.FAILED,
    RunState.EXHAUSTED,
    RunState.TIMED_OUT,
    RunState.CANCELLED,
    RunState.INTERRUPTED,
    RunState.JOINED,
}
WORKED = {RunState.SUCCEEDED, RunState.EXHAUSTED, RunState.TIMED_OUT}
"""Ends that only an agent's work has."""
ALLOWED = (
    {(RunState.QUEUED, RunState.RUNNING)}
    | {(RunState.QUEUED, state) for state in FINAL - WORKED}
    | {(RunState.RUNNING, state) for state in (FINAL - {RunState.JOINED}) | {RunState.QUEUED}}
)


@pytest.mark.parametrize("state", list(RunState), ids=str)
def test_final_states_are_those_after_which_nothing_follows(state: RunState) -> None:
    """A run is over unless it waits or runs."""
    assert state.is_final is (state in FINAL)


@pytest.mark.parametrize(
    ("before", "after"),
    list(itertools.product(RunState, RunState)),
    ids=str,
)
def test_only_allowed_moves_pass(before: RunState, after: RunState) -> None:
    """Every pair of states is either a move of the table or refused with both names."""
    if (before, after) in ALLOWED:
        check_move(before, after)
        return
    with pytest.raises(Conflict, match=f"{before} cannot become {after}"):
        check_move(before, after)
