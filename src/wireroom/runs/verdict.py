"""What a finished process means for its run, and what the person is told. Pure.

`succeeded` needs an exit of 0 and an agent that reports no error; partial output is always kept.
"""

from __future__ import annotations

import re
import signal as signals
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from wireroom.backends.protocol import AgentResult
from wireroom.delivery.clean import clean_terminal_text
from wireroom.runs.limits import Ending
from wireroom.runs.options import RunReport
from wireroom.runs.states import RunState
from wireroom.runs.supervisor import Outcome

_STDERR_TAIL_CHARS = 600


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended."""

    state: RunState
    output: str
    """What the agent said, whole or in part."""
    reason: str | None
    """Why it did not succeed, for people; None when it did."""
    exit_code: int | None
    error_code: str | None = None
    """The same for programs, a word such as `timeout`; see `runs.options.RunReport`."""


@dataclass(frozen=True, slots=True)
class RunEnding:
    """How an attempt at a run ended, before it is stored."""

    verdict: Verdict
    report: RunReport
    usage: Mapping[str, Any] = field(default_factory=dict)
    """The sum over all calls of agents."""
    session_id: str | None = None
    """The worker's own session, for the conversation's next run."""
    workdir: Path | None = None
    """The folder that it belongs to; None: the run's own."""
    session_usage: Mapping[str, int | float] = field(default_factory=dict)
    """What that session is known to have used."""
    cut_off: bool = False
    """The agent was stopped because the handler was cancelled: by a person or by the service's own stop."""


def judge(outcome: Outcome, result: AgentResult, *, hard: timedelta, idle: timedelta) -> Verdict:
    """Decide the state of the run from how its process ended and what the agent reported.

    What terminals understand and people do not (colours, cursor moves) is cleaned from both texts.
    """
    said = clean_terminal_text(result.text)
    match outcome.ending:
        case Ending.CANCELLED:
            state, reason, code = RunState.CANCELLED, "Stopped on request.", "cancelled"
        case Ending.HARD_TIMEOUT:
            state, code = RunState.TIMED_OUT, "timeout"
            reason = f"Stopped after {spoken(hard)}, the longest a run may take."
        case Ending.IDLE_TIMEOUT:
            state, code = RunState.TIMED_OUT, "idle_timeout"
            reason = f"Stopped after {spoken(idle)} without any output."
        case Ending.EXITED if outcome.exit_code == 0 and not result.is_error:
            return Verdict(RunState.SUCCEEDED, said, None, 0)
        case Ending.EXITED:
            state, reason, code = RunState.FAILED, _failure(outcome, result), "agent_failed"
    return Verdict(state, said, clean_terminal_text(reason), outcome.exit_code, code)


def answer_markdown(verdict: Verdict) -> str:
    """Return the message that answers the person, as Markdown."""
    output = verdict.output.strip()
    match verdict.state:
        case RunState.SUCCEEDED:
            return output or "✅ Done. The agent said nothing."
        case RunState.CANCELLED:
            head = "⏹ Stopped."
        case RunState.TIMED_OUT:
            head = f"⌛ {verdict.reason}"
        case RunState.INTERRUPTED:
            head = f"⚠️ {verdict.reason}"
        case RunState.EXHAUSTED:
            head = f"🔁 {verdict.reason}"
        case _:
            head = f"❌ {verdict.reason}"
    return f"{head}\n\nUntil then:\n\n{output}" if output else head


def _failure(outcome: Outcome, result: AgentResult) -> str:
    if result.error:
        return result.error
    tail = outcome.stderr.text.strip()[-_STDERR_TAIL_CHARS:]
    ended = _ended(outcome)
    return f"{ended}\n\n{fenced(tail)}" if tail else ended


def _ended(outcome: Outcome) -> str:
    if outcome.signal is not None:
        return f"The agent was ended by {_signal_name(outcome.signal)}."
    if outcome.exit_code:
        return f"The agent failed with exit code {outcome.exit_code}."
    return "The agent reported a failure."


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        # Most real-time signals have no name in Python.
        return f"signal {number}"


def fenced(text: str, language: str = "") -> str:
    """Return a code block; its fence is longer than any that the text contains."""
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}{language}\n{text}\n{fence}"


def spoken(span: timedelta) -> str:
    """Return the span in hours if it is some hours sharp, or in minutes likewise, else in seconds."""
    seconds = span.total_seconds()
    for unit, name in ((3600, "h"), (60, "min")):
        count, rest = divmod(seconds, unit)
        if count > 1 and not rest:
            return f"{count:g} {name}"
    return f"{seconds:g} s"
