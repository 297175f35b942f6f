"""What a person may press below an answer. Pure; `intake.own_buttons` does what they say."""

from __future__ import annotations

from wireroom.delivery.outbox import Button
from wireroom.runs.states import RunState

RETRY = "retry"
CONTINUE = "continue"
DIFF = "diff"
NEW = "new"


def answer_buttons(run_id: str, state: RunState, *, has_diff: bool) -> tuple[Button, ...]:
    """Return the buttons of a run's answer.

    Args:
        run_id: The run; its buttons go on meaning it, however many come after.
        state: How it ended.
        has_diff: Git saw that it changed something.
    """
    again = "🔁 Again" if state is RunState.SUCCEEDED else "🔁 Try again"
    shown = [(again, RETRY), ("▶️ Go on", CONTINUE)]
    if has_diff:
        shown.append(("📄 Diff", DIFF))
    return tuple(Button(text, f"w:{action}:{run_id}") for text, action in (*shown, ("🆕 New", NEW)))
