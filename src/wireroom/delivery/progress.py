"""The port for showing a run's progress where its answer will appear. Nothing of it needs to survive."""

from __future__ import annotations

from typing import Protocol


class ProgressLine(Protocol):
    """One run's line of progress."""

    def show(self, text: str) -> None:
        """Replace what is shown, soon and at most once a second; newer text overtakes older."""
        ...

    async def close(self) -> None:
        """Stop, and wait until no edit is under way, so that none can land on top of the answer."""
        ...


class Progress(Protocol):
    """Where executors show progress."""

    def open(self, run_id: str) -> ProgressLine:
        """Begin to show progress of the run; harmless for a run that answers nowhere."""
        ...


class NoProgress:
    """Shows nothing, for services without a chat."""

    def open(self, run_id: str) -> ProgressLine:
        """Return a line that nobody sees."""
        del run_id
        return _Silent()


class _Silent:
    def show(self, text: str) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""
