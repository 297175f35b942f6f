"""What people do with the board in a chat: `/tasks`, `/task TEXT`, `/task retry 7`, `/operator on`."""

from __future__ import annotations

import re

from sqlalchemy import Connection

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.jobs.port import Jobs
from wireroom.tasks.board import add_task, retry_task
from wireroom.tasks.listing import Wanted, count_tasks, list_tasks
from wireroom.tasks.requests import read_fields, read_id
from wireroom.tasks.rows import TaskView
from wireroom.tasks.states import TaskStatus
from wireroom.tasks.switch import clear_lock, operator_status, turn_off, turn_on
from wireroom.tasks.wake import is_operator_on
from wireroom.tasks.words import excerpt

OWNER_ONLY = "Only my owner may switch the task operator."
USAGE = (
    "Add one with `/task TEXT`, try one again with `/task retry NUMBER`; `/operator on` works through them."
)
_RETRY = re.compile(r"retry\s+#?([0-9]+)", re.IGNORECASE)
_SHOWN = 10
_PROMPT_CHARS = 80
_MARKS = {TaskStatus.IN_PROGRESS: "▶️", TaskStatus.READY: "🕐", TaskStatus.BACKLOGGED: "💤"}


class TaskChat:
    """Does what the chat's commands on the board say, inside the unit that handles the update."""

    def __init__(self, jobs: Jobs) -> None:
        """Wake the operator by these jobs."""
        self._jobs = jobs

    def listing(self, conn: Connection) -> str:
        """Return what is at work, what comes next, and what was set aside."""
        lines = [line for status in _MARKS for line in _lines(conn, status)]
        state = "on" if operator_status(conn).is_on else "off"
        head = f"📋 The task operator is **{state}**."
        return "\n".join((head, *(lines or ["No task is open."]), "", USAGE))

    def add(self, conn: Connection, text: str, now_ms: int) -> str:
        """Put a task on the board, or try one again."""
        if not text.strip():
            return USAGE
        if again := _RETRY.fullmatch(text.strip()):
            return self._retry(conn, again[1], now_ms)
        try:
            task = add_task(conn, self._jobs, read_fields({"prompt": text}, new=True), now_ms)
        except BadInput as error:
            return str(error)
        return f"📋 Task {task.id} is on the board.{_waits(conn)}"

    def _retry(self, conn: Connection, number: str, now_ms: int) -> str:
        try:
            task = retry_task(conn, self._jobs, read_id(number), now_ms)
        except (BadInput, NotFound, Conflict) as error:
            return str(error)
        return f"🔁 Task {task.id} is ready again.{_waits(conn)}"

    def operator(self, conn: Connection, rest: str, *, who: str, is_owner: bool, now_ms: int) -> str:
        """Switch the operator, free what is stuck, or tell how it stands."""
        word = rest.strip().lower()
        if word and not is_owner:
            return OWNER_ONLY
        match word:
            case "on":
                turn_on(conn, self._jobs, who=who, now_ms=now_ms)
                return "📋 The task operator is **on**."
            case "off":
                turn_off(conn, who=who, now_ms=now_ms)
                return "📋 The task operator is **off**. What is at work goes on."
            case "clear":
                freed = clear_lock(conn, self._jobs, now_ms)
                return (
                    f"📋 {freed} in progress, stopped and ready again."
                    if freed
                    else "📋 Nothing is in progress."
                )
            case _:
                return _standing(conn)


def _waits(conn: Connection) -> str:
    return "" if is_operator_on(conn) else " The task operator is off: `/operator on` has it run."


def _standing(conn: Connection) -> str:
    found = operator_status(conn)
    counts = ", ".join(f"{count} {label.replace('_', ' ')}" for label, count in found.counts.items() if count)
    state = "on" if found.is_on else "off"
    usage = "Say `/operator on`, `/operator off`, or `/operator clear` to stop and free what is in progress."
    return f"📋 The task operator is **{state}**. Tasks: {counts or 'none'}.\n\n{usage}"


def _lines(conn: Connection, status: TaskStatus) -> list[str]:
    wanted = Wanted(status=int(status), limit=_SHOWN)
    lines = [_line(task, _MARKS[status]) for task in list_tasks(conn, wanted)]
    hidden = count_tasks(conn, wanted) - len(lines)
    return [*lines, f"… and {hidden} more"] if hidden > 0 else lines


def _line(task: TaskView, mark: str) -> str:
    shown = "🛑" if task.is_dead else mark
    why = f" ({excerpt(task.reason, _PROMPT_CHARS)})" if task.reason else ""
    return f"{shown} {task.id}: {excerpt(task.prompt, _PROMPT_CHARS)}{why}"
