"""What a finished process means for its run, and what the person reads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.backends.protocol import AgentResult
from wireroom.delivery.render import render
from wireroom.runs.limits import Ending
from wireroom.runs.output import Captured
from wireroom.runs.states import RunState
from wireroom.runs.supervisor import Outcome
from wireroom.runs.verdict import Verdict, answer_markdown, judge

HARD, IDLE = timedelta(minutes=30), timedelta(seconds=45)


def _captured(text: str = "") -> Captured:
    data = text.encode()
    return Captured(head=data, tail=b"", total_bytes=len(data), spill=None)


def _outcome(
    ending: Ending = Ending.EXITED, exit_code: int | None = 0, signal: int | None = None, stderr: str = ""
) -> Outcome:
    return Outcome(ending, exit_code, signal, _captured(), _captured(stderr), timedelta(seconds=1))


def _result(text: str = "done", error: str | None = None, *, is_error: bool = False) -> AgentResult:
    return AgentResult(text, is_error or error is not None, error)


@pytest.mark.parametrize(
    ("outcome", "result", "state", "reason"),
    [
        pytest.param(_outcome(), _result(), RunState.SUCCEEDED, None, id="exit-0"),
        pytest.param(
            _outcome(), _result(error="no credit"), RunState.FAILED, "no credit", id="exit-0-but-an-error"
        ),
        pytest.param(
            _outcome(),
            _result(is_error=True),
            RunState.FAILED,
            "The agent reported a failure.",
            id="exit-0-but-an-error-without-words",
        ),
        pytest.param(
            _outcome(exit_code=3),
            _result(),
            RunState.FAILED,
            "The agent failed with exit code 3.",
            id="exit-3",
        ),
        pytest.param(
            _outcome(exit_code=3, stderr="boom\n"),
            _result(),
            RunState.FAILED,
            "The agent failed with exit code 3.\n\n```\nboom\n```",
            id="exit-3-with-stderr",
        ),
        pytest.param(
            _outcome(exit_code=3, stderr="boom"),
            _result(error="no credit"),
            RunState.FAILED,
            "no credit",
            id="own-words-before-stderr",
        ),
        pytest.param(
            _outcome(exit_code=None, signal=9),
            _result(),
            RunState.FAILED,
            "The agent was ended by SIGKILL.",
            id="signal",
        ),
        pytest.param(
            _outcome(exit_code=None, signal=40),
            _result(),
            RunState.FAILED,
            "The agent was ended by signal 40.",
            id="signal-without-a-name",
        ),
        pytest.param(
            _outcome(Ending.CANCELLED, None, 15),
            _result(),
            RunState.CANCELLED,
            "Stopped on request.",
            id="cancelled",
        ),
        pytest.param(
            _outcome(Ending.HARD_TIMEOUT, None, 15),
            _result(),
            RunState.TIMED_OUT,
            "Stopped after 30 min, the longest a run may take.",
            id="too-long",
        ),
        pytest.param(
            _outcome(Ending.IDLE_TIMEOUT, None, 15),
            _result(),
            RunState.TIMED_OUT,
            "Stopped after 45 s without any output.",
            id="silent",
        ),
    ],
)
def test_verdict_is_honest(
    outcome: Outcome, result: AgentResult, state: RunState, reason: str | None
) -> None:
    """Only exit 0 without a reported error is success; the reason says what else happened."""
    verdict = judge(outcome, result, hard=HARD, idle=IDLE)

    assert (verdict.state, verdict.reason) == (state, reason)
    assert verdict.exit_code == outcome.exit_code
    assert verdict.output == "done"


@pytest.mark.parametrize(
    ("span", "spoken"),
    [
        pytest.param(timedelta(seconds=0.5), "0.5 s", id="half-a-second"),
        pytest.param(timedelta(seconds=60), "60 s", id="a-minute"),
        pytest.param(timedelta(seconds=125), "125 s", id="no-whole-minutes"),
        pytest.param(timedelta(minutes=2), "2 min", id="minutes"),
        pytest.param(timedelta(minutes=90), "90 min", id="no-whole-hours"),
        pytest.param(timedelta(hours=2), "2 h", id="hours"),
    ],
)
def test_time_limits_are_spoken_as_people_set_them(span: timedelta, spoken: str) -> None:
    """A limit is named in hours or minutes when it is some of them sharp, else in seconds."""
    verdict = judge(_outcome(Ending.HARD_TIMEOUT), _result(), hard=span, idle=IDLE)

    assert verdict.reason == f"Stopped after {spoken}, the longest a run may take."


def test_long_stderr_keeps_its_end() -> None:
    """Of much stderr the last 600 characters are told, where the cause usually stands."""
    verdict = judge(_outcome(exit_code=1, stderr="x" * 5000 + "cause"), _result(), hard=HARD, idle=IDLE)

    assert verdict.reason is not None
    assert verdict.reason.endswith("xxxcause\n```")
    assert len(verdict.reason) < 700


@given(st.text(alphabet="ab`\n ", min_size=1, max_size=40).filter(lambda text: text.strip() != ""))
def test_stderr_stays_within_its_code_block(stderr: str) -> None:
    """Whatever fences stderr contains, it is shown whole as one block of code."""
    verdict = judge(_outcome(exit_code=1, stderr=stderr), _result(), hard=HARD, idle=IDLE)
    shown = render(verdict.reason or "")

    assert [entity.type for entity in shown.entities] == ["pre"]
    assert shown.text.endswith(stderr.strip())


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        pytest.param(Verdict(RunState.SUCCEEDED, " hi \n", None, 0), "hi", id="answer"),
        pytest.param(
            Verdict(RunState.SUCCEEDED, " ", None, 0), "✅ Done. The agent said nothing.", id="silence"
        ),
        pytest.param(
            Verdict(RunState.CANCELLED, "", "Stopped on request.", None), "⏹ Stopped.", id="stopped"
        ),
        pytest.param(
            Verdict(RunState.CANCELLED, "half", "Stopped on request.", None),
            "⏹ Stopped.\n\nUntil then:\n\nhalf",
            id="stopped-with-output",
        ),
        pytest.param(Verdict(RunState.TIMED_OUT, "", "Too long.", None), "⌛ Too long.", id="timed-out"),
        pytest.param(Verdict(RunState.INTERRUPTED, "", "Down.", None), "⚠️ Down.", id="interrupted"),
        pytest.param(
            Verdict(RunState.FAILED, "half", "Exit 1.", 1), "❌ Exit 1.\n\nUntil then:\n\nhalf", id="failed"
        ),
    ],
)
def test_answer_tells_the_end_and_keeps_the_output(verdict: Verdict, said: str) -> None:
    """The person reads the answer, or what went wrong followed by all that was said until then."""
    assert answer_markdown(verdict) == said
