"""What the iterate loop does next: work, review, or stop. Pure.

The history of rounds is all there is to know, so a loop that a crash cut off goes on where it was: rounds
that ended count, one that was cut off is done again. See docs/adr/0011.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from wireroom.conversations.context import Turn
from wireroom.runs import review
from wireroom.runs.budget import Budget, summed, used_up
from wireroom.runs.options import RunOptions, RunReport
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict

DEFAULT_ROUNDS = 5
"""Rounds after the first for a caller that asks for 0. Source: cursor-runner, `maxIterations`."""

_UNSETTLED = frozenset({RunState.RUNNING, RunState.INTERRUPTED})


class RoundKind(StrEnum):
    """What a round is for."""

    WORK = "work"
    REVIEW = "review"


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """How work that did not end well is named for programs; stands where a review has its verdict."""

    error_code: str


Judgement = review.Complete | review.Continue | review.Blocked | review.Unreadable | Failed


@dataclass(frozen=True, slots=True)
class Round:
    """One call of an agent within a loop, as it is stored."""

    seq: int
    """1, 2, 3 … within the run, work and reviews counted together."""
    kind: RoundKind
    state: RunState
    """RUNNING while it is open, INTERRUPTED when it was cut off, else how the agent ended."""
    prompt: str
    output: str = ""
    reason: str | None = None
    exit_code: int | None = None
    judgement: Judgement | None = None
    """A review's verdict; of work that failed, how."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    started_at: int = 0
    finished_at: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long a loop may go on."""

    max_rounds: int
    """Rounds of work after the first, >= 0."""
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class DoWork:
    """Let the worker work."""

    number: int
    """1 for the first round of work."""
    prompt: str
    goes_on: bool
    """The same round was begun before and cut off."""


@dataclass(frozen=True, slots=True)
class DoReview:
    """Let the reviewer review the newest work."""

    number: int
    """Of the work that is reviewed."""
    work: Round
    again: bool
    """Its first answer could not be read."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The loop is over."""

    verdict: Verdict


Step = DoWork | DoReview | Stop


def bounds_of(options: RunOptions, defaults: Bounds) -> Bounds:
    """Return what this loop may take: what its caller asked for, else what the installation says.

    A budget of 0 is not one.
    """
    budget = defaults.budget
    return Bounds(
        defaults.max_rounds if options.max_rounds is None else options.max_rounds,
        Budget(options.budget_minutes or budget.minutes, options.budget_usd or budget.usd),
    )


def next_step(prompt: str, rounds: Sequence[Round], bounds: Bounds) -> Step:
    """Return what the loop does next.

    A round is never begun once a budget is used up; one that works is not cut off by it.

    Args:
        prompt: The task.
        rounds: All rounds of the run, oldest first; open ones have been closed as INTERRUPTED.
        bounds: What the loop may take.
    """
    step = _wanted(prompt, rounds, bounds)
    if isinstance(step, Stop) or not rounds:
        return step
    return _budget_stop(rounds, bounds.budget) or step


def report_of(rounds: Sequence[Round], max_rounds: int | None, noted: RunReport) -> RunReport:
    """Return what was noted, with what there is to tell of the rounds."""
    works = _works(rounds)
    reviews = [one.judgement for one in rounds if one.kind is RoundKind.REVIEW and one.judgement is not None]
    begun = len(works) + _is_cut_off(rounds, RoundKind.WORK)
    return msgspec.structs.replace(
        noted,
        iterations=max(0, begun - 1),
        max_iterations=max_rounds,
        justification=getattr(reviews[-1], "justification", None) if reviews else None,
        original_output=works[0].output if len(works) > 1 else None,
    )


def output_of(rounds: Sequence[Round]) -> str:
    """Return what the worker said last; rounds in which it said nothing do not count."""
    return next((one.output for one in reversed(_works(rounds)) if one.output.strip()), "")


def usage_of(rounds: Sequence[Round]) -> dict[str, Any]:
    """Return what all rounds used, those that were cut off included as far as it is known."""
    return summed(one.usage for one in rounds)


def turns_of(rounds: Sequence[Round]) -> Sequence[Turn]:
    """Return what the worker was told and said in this run, for an agent that has lost its session.

    Reviews are not in it: their words reach the worker as its next prompt.
    """
    return [
        turn
        for one in _works(rounds)
        for turn in (Turn("user", one.prompt), Turn("assistant", one.output))
        if turn.content.strip()
    ]


def heading(number: int, kind: RoundKind, bounds: Bounds) -> str:
    """Return the line above the progress of a round, such as "Round 2 of 5, review"."""
    doing = "review" if kind is RoundKind.REVIEW else "work"
    return f"🔁 Round {number} of {bounds.max_rounds + 1}, {doing}"


def _wanted(prompt: str, rounds: Sequence[Round], bounds: Bounds) -> Step:
    settled = [one for one in rounds if one.state not in _UNSETTLED]
    if not settled:
        return DoWork(1, prompt, _is_cut_off(rounds, RoundKind.WORK))
    last = settled[-1]
    if last.kind is RoundKind.WORK:
        return _after_work(last, rounds)
    return _after_review(last.judgement, settled, rounds, bounds)


def _after_work(work: Round, rounds: Sequence[Round]) -> Step:
    """Work that failed and said nothing has nothing to review: the run ends as the agent did."""
    if work.state is RunState.SUCCEEDED or work.output.strip():
        return DoReview(len(_works(rounds)), work, again=False)
    return Stop(_ended_as(work, rounds))


def _after_review(
    judgement: Judgement | None, settled: Sequence[Round], rounds: Sequence[Round], bounds: Bounds
) -> Step:
    works = _works(rounds)
    work, number = works[-1], len(works)
    match judgement:
        case review.Complete():
            return Stop(_ended_as(work, rounds))
        case review.Blocked(why):
            return _failed(f"Blocked: {why}", "blocked", work, rounds)
        case review.Continue(why, _) if number > bounds.max_rounds:
            times = "1 round" if number == 1 else f"{number} rounds"
            return _exhausted(f"Not finished after {times}", why, "exhausted", rounds)
        case review.Continue(_, next_prompt):
            return DoWork(number + 1, next_prompt, _is_cut_off(rounds, RoundKind.WORK))
    return _after_unreadable(judgement, settled, work, rounds)


def _after_unreadable(
    judgement: Judgement | None, settled: Sequence[Round], work: Round, rounds: Sequence[Round]
) -> Step:
    """One policy for reviews that fail and reviews that say nothing: ask once more, then give up."""
    if settled[-2].kind is RoundKind.WORK:
        return DoReview(len(_works(rounds)), work, again=True)
    why = getattr(judgement, "justification", "") or "The reviewer gave no verdict."
    return _failed(f"The work could not be reviewed. {why}", "unreviewed", work, rounds)


def _ended_as(work: Round, rounds: Sequence[Round]) -> Verdict:
    """Return the verdict of a run that ends as its newest work did; complete is success only if that was."""
    code = work.judgement.error_code if isinstance(work.judgement, Failed) else None
    if code is None and work.state is not RunState.SUCCEEDED:
        code = "agent_failed"
    return Verdict(work.state, output_of(rounds), work.reason, work.exit_code, code)


def _failed(reason: str, code: str, work: Round, rounds: Sequence[Round]) -> Stop:
    return Stop(Verdict(RunState.FAILED, output_of(rounds), reason, work.exit_code, code))


def _exhausted(head: str, why: str, code: str, rounds: Sequence[Round]) -> Stop:
    works = _works(rounds)
    reason = f"{head}: {why}" if why else f"{head}."
    exit_code = works[-1].exit_code if works else None
    return Stop(Verdict(RunState.EXHAUSTED, output_of(rounds), reason, exit_code, code))


def _budget_stop(rounds: Sequence[Round], budget: Budget) -> Stop | None:
    costs = [one.usage.get("cost_usd") for one in rounds]
    works = _works(rounds)
    if budget.usd is not None and works and None in _costs_of_ended_well(rounds):
        reason = "What the agent has used is not known, so its money budget cannot be kept."
        return _failed(reason, "budget", works[-1], rounds)
    spent_ms = sum((one.finished_at or one.started_at) - one.started_at for one in rounds)
    over = used_up(budget, spent_ms=spent_ms, spent_usd=sum(cost or 0.0 for cost in costs))
    return (
        None if over is None else _exhausted(f"Not finished, {over}", _last_words(rounds), "budget", rounds)
    )


def _costs_of_ended_well(rounds: Sequence[Round]) -> Sequence[float | None]:
    """What a call has cost that failed or was cut off may be unknown for good reason."""
    return [one.usage.get("cost_usd") for one in rounds if one.state is RunState.SUCCEEDED]


def _last_words(rounds: Sequence[Round]) -> str:
    words = [getattr(one.judgement, "justification", "") for one in rounds if one.kind is RoundKind.REVIEW]
    return words[-1] if words else ""


def _works(rounds: Sequence[Round]) -> Sequence[Round]:
    return [one for one in rounds if one.kind is RoundKind.WORK and one.state not in _UNSETTLED]


def _is_cut_off(rounds: Sequence[Round], kind: RoundKind) -> bool:
    """Tell whether the newest round is of this kind and did not come to its end."""
    return bool(rounds) and rounds[-1].kind is kind and rounds[-1].state in _UNSETTLED
