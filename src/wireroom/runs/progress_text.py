"""What a chat shows while an agent works: the plan, the last steps and the text so far."""

from __future__ import annotations

import re

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.delivery.progress import ProgressLine

_MAX_TEXT_CHARS = 3000
_MAX_STEPS = 6
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_MARKS = {"done": "✅", "active": "▶️", "pending": "▫️"}


class ProgressText:
    """Folds events into one Markdown text of bounded length."""

    def __init__(self) -> None:
        """Start with nothing to show."""
        self._plan: list[str] = []
        self._steps: list[str] = []
        self._said = ""

    def take(self, event: AgentEvent) -> bool:
        """Add an event; True when the text changed."""
        match event.kind:
            case EventKind.TEXT:
                self._said = (self._said + event.payload["text"])[-_MAX_TEXT_CHARS:]
            case EventKind.TOOL_CALL:
                self._steps = [*self._steps, f"🔧 {_literally(event.payload['summary'])}"][-_MAX_STEPS:]
            case EventKind.PLAN:
                self._plan = [
                    f"{_MARKS.get(step['state'], '▫️')} {step['text']}" for step in event.payload["steps"]
                ]
            case _:
                return False
        return True

    @property
    def text(self) -> str:
        """The text to show now."""
        blocks = ["\n".join(self._plan or self._steps), self._said.strip()]
        shown = "\n\n".join(block for block in blocks if block)
        return f"⏳ Working …\n\n{shown}" if shown else "⏳ Working …"


def _literally(summary: str) -> str:
    r"""Return Markdown that shows the summary as it is: `__init__.py` becomes `\_\_init\_\_\.py`."""
    return _PUNCTUATION.sub(r"\\\g<0>", summary)


class RoundLine:
    """The run's line of progress, under the heading of one round."""

    def __init__(self, line: ProgressLine, head: str, *, shows_text: bool = True) -> None:
        """Show on this line; without `shows_text` the heading alone."""
        self._line = line
        self._head = head
        self._shows_text = shows_text

    def show(self, text: str) -> None:
        """Show the text under the heading; of a review the heading alone, for its words are no answer."""
        self._line.show(f"{self._head}\n\n{text}" if text and self._shows_text else self._head)

    async def close(self) -> None:
        """Do nothing: the line is the run's."""
