"""What the operator says in a chat. Pure; Markdown."""

from __future__ import annotations

import re
from datetime import datetime

from wireroom.clock import to_ms
from wireroom.runs.states import RunState
from wireroom.tasks.endings import Complete, Ending, GiveUp, SetAside, TryAgain
from wireroom.tasks.states import stamp

_PROMPT_CHARS = 120
_ANSWER_CHARS = 700
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def begun(task_id: int, prompt: str, number: int) -> str:
    """Return what is said when a task begins; `number` is that of the attempt."""
    again = "" if number == 1 else f", attempt {number}"
    return f"▶️ Task {task_id}{again}: {excerpt(prompt, _PROMPT_CHARS)}"


def ended(task_id: int, ending: Ending, said: str | None, *, seconds: float, cost_usd: float | None) -> str:
    """Return what is said when a run has ended.

    Args:
        task_id: The task.
        ending: What became of it.
        said: The agent's answer, or why it failed.
        seconds: How long the attempt took.
        cost_usd: What it cost, as far as the agent tells.
    """
    took = _took(seconds, cost_usd)
    why = f": {excerpt(said, _ANSWER_CHARS)}" if said else ""
    match ending:
        case Complete():
            return f"✅ Task {task_id} is complete ({took}){why}"
        case TryAgain(when, failures):
            return f"⚠️ Task {task_id} failed, {_times(failures)} so far; again at {_clock(when)}{why}"
        case GiveUp(failures):
            retry = f"`/task retry {task_id}` tries again."
            return f"🛑 Task {task_id} is given up after {_times(failures)}{why}\n\n{retry}"
        case SetAside():
            return f"⏹ Task {task_id} was stopped and is in the backlog ({took})."


def left_alone(
    task_id: int, state: RunState, stays: str, said: str | None, *, seconds: float, cost_usd: float | None
) -> str:
    """Return what is said when a run has ended and somebody has moved its task meanwhile.

    Args:
        task_id: The task.
        state: How the run ended.
        stays: The word for the status that the task keeps.
        said: The agent's answer, or why it failed.
        seconds: How long the attempt took.
        cost_usd: What it cost, as far as the agent tells.
    """
    how, where = (word.replace("_", " ") for word in (state.value, stays))
    head = f"☑️ The run of task {task_id} has ended: {how} ({_took(seconds, cost_usd)})."
    why = f"\n\n{excerpt(said, _ANSWER_CHARS)}" if said else ""
    return f"{head} The task was moved and stays {where}.{why}"


def excerpt(text: str, limit: int) -> str:
    """Return the beginning of a text on one line, as Markdown that shows it literally."""
    line = " ".join(text.split())
    shown = line if len(line) <= limit else line[: limit - 1] + "…"
    return _PUNCTUATION.sub(r"\\\g<0>", shown)


def _times(failures: int) -> str:
    return "once" if failures == 1 else f"{failures} times"


def _took(seconds: float, cost_usd: float | None) -> str:
    return _duration(seconds) + ("" if cost_usd is None else f", ${cost_usd:.2f}")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _clock(when: datetime) -> str:
    return f"{stamp(to_ms(when))[11:16]} UTC"
