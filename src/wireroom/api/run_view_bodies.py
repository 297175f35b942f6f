"""The JSON of the page's runs: lines of the list, one run with its attempts and rounds, pieces of its log."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from wireroom.api.answer_html import render_answer
from wireroom.api.bodies import EventBody, iso, iso_or_none
from wireroom.api.chat_view import SHOWN_CHARS
from wireroom.runs.look import AttemptView, RunLine
from wireroom.runs.loop import Round
from wireroom.runs.queries import RunView
from wireroom.runs.states import RunState

ROUND_CHARS = 2_000
_TASK_LANE = "task:"
_EXPLAINED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.EXHAUSTED, RunState.INTERRUPTED})


class RunLineBody(BaseModel):
    """A run in the page's list."""

    id: str
    conversation_id: str
    lane: str
    source: str = Field(description="telegram, web, task, agent or api.")
    task_id: int | None = Field(description="The task that it works on.")
    agent_name: str | None = Field(description="The scheduled agent whose call it is.")
    topic: str | None = Field(description="The name of the chat's topic that it was asked in.")
    prompt_excerpt: str
    backend: str
    mode: str
    state: str
    reason: str | None
    stopping: bool
    event_count: int
    usage: dict[str, Any] | None
    queued_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, run: RunLine) -> RunLineBody:
        """Return the run as it is sent."""
        return cls(
            id=run.id,
            conversation_id=run.conversation_id,
            lane=run.lane,
            source=run.source,
            task_id=task_of_lane(run.lane),
            agent_name=run.agent_name,
            topic=run.topic,
            prompt_excerpt=run.prompt_excerpt,
            backend=run.backend,
            mode=run.mode,
            state=run.state.value,
            reason=run.reason,
            stopping=run.stopping,
            event_count=run.event_count,
            usage=run.usage,
            queued_at=iso(run.queued_at),
            started_at=iso_or_none(run.started_at),
            finished_at=iso_or_none(run.finished_at),
        )


class RunLinesBody(BaseModel):
    """A piece of the page's list, newest first."""

    runs: list[RunLineBody]
    backends: list[str] = Field(description="Coding agents of the newest runs.")
    next_cursor: str | None = Field(description="`cursor` of the next piece; null at the end.")


class AttemptBody(BaseModel):
    """One try at a run."""

    number: int
    state: str
    reason: str | None
    exit_code: int | None
    started_at: str
    finished_at: str | None

    @classmethod
    def of(cls, attempt: AttemptView) -> AttemptBody:
        """Return the attempt as it is sent."""
        return cls(
            number=attempt.number,
            state=attempt.state,
            reason=attempt.reason,
            exit_code=attempt.exit_code,
            started_at=iso(attempt.started_at),
            finished_at=iso_or_none(attempt.finished_at),
        )


class RoundBody(BaseModel):
    """One round of a loop."""

    number: int
    kind: str = Field(description="work or review.")
    state: str
    verdict: str | None = Field(description="complete, continue, blocked, unreadable or failed.")
    justification: str | None
    output: str = Field(description=f"At most {ROUND_CHARS} characters.")
    reason: str | None
    usage: dict[str, Any]
    started_at: str
    finished_at: str | None

    @classmethod
    def of(cls, one: Round) -> RoundBody:
        """Return the round as it is sent."""
        judged = one.judgement
        return cls(
            number=one.seq,
            kind=one.kind.value,
            state=one.state.value,
            verdict=None if judged is None else str(judged.__struct_config__.tag),
            justification=getattr(judged, "justification", None),
            output=one.output[:ROUND_CHARS],
            reason=one.reason,
            usage=dict(one.usage),
            started_at=iso(one.started_at),
            finished_at=iso_or_none(one.finished_at),
        )


class RunViewBody(BaseModel):
    """One run as the page shows it."""

    run: RunLineBody
    request_id: str
    prompt: str = Field(description=f"At most {SHOWN_CHARS} characters.")
    prompt_cut: bool
    answer_html: str | None = Field(description="Safe to show; null before the end.")
    answer_cut: bool
    reason_html: str | None
    exit_code: int | None
    error_code: str | None
    interruptions: int
    iterations: int | None
    max_iterations: int | None
    justification: str | None
    repository: str | None
    branch: str | None
    diff: dict[str, Any] | None = Field(description="files, insertions, deletions, commits, pushed.")
    attempts: list[AttemptBody]
    rounds: list[RoundBody]

    @classmethod
    def of(
        cls, run: RunView, line: RunLine, attempts: list[AttemptBody], rounds: list[RoundBody]
    ) -> RunViewBody:
        """Return the run as it is sent; renders its answer, so call it in a thread."""
        output, is_final = run.output or "", run.state.is_final
        return cls(
            run=RunLineBody.of(line),
            request_id=run.request_id,
            prompt=run.prompt[:SHOWN_CHARS],
            prompt_cut=len(run.prompt) > SHOWN_CHARS,
            answer_html=render_answer(output[:SHOWN_CHARS]) if is_final else None,
            answer_cut=is_final and len(output) > SHOWN_CHARS,
            reason_html=render_answer(run.reason) if run.state in _EXPLAINED and run.reason else None,
            exit_code=run.exit_code,
            error_code=run.report.error_code,
            interruptions=run.interruptions,
            iterations=run.report.iterations,
            max_iterations=run.report.max_iterations,
            justification=run.report.justification,
            repository=run.options.repository,
            branch=run.report.branch or run.options.branch_name,
            diff=run.report.diff,
            attempts=attempts,
            rounds=rounds,
        )


class LogPieceBody(BaseModel):
    """Events of a log that fit a filter."""

    events: list[EventBody]


class MatchesBody(BaseModel):
    """Which events of a part of a log fit a filter."""

    matches: list[int] = Field(description="Their numbers, in order.")
    looked_to: int = Field(description="Number of the last event looked at: `after` of the next look.")
    event_count: int = Field(description="Events in the whole log.")


def task_of_lane(lane: str) -> int | None:
    """Return the number of the task whose runs go by this lane, None for another lane. Pure."""
    number = lane.removeprefix(_TASK_LANE)
    return int(number) if lane.startswith(_TASK_LANE) and number.isdigit() else None
