"""Progress edits that got no answer: one may still act, and land on top of the answer. Pure.

`delivery.live` notes them, `delivery.sender` shows the answer of such a run a second time once none can act
any more; for people who see the right text already, that changes nothing.
"""

from __future__ import annotations

from collections import OrderedDict

ACTS_WITHIN_SECONDS = 30.0
"""How long after it was sent a call may still be carried out: Bot API servers drop it much earlier."""

_MOST = 1000


class Strays:
    """The runs whose last progress edit may still act; forgets the oldest beyond a thousand."""

    def __init__(self) -> None:
        """Start without any."""
        self._sent_at: OrderedDict[str, float] = OrderedDict()

    def note(self, run_id: str, now: float) -> None:
        """Remember that a progress edit of the run ended without an answer at `now`, monotonic seconds."""
        self._sent_at[run_id] = now
        self._sent_at.move_to_end(run_id)
        if len(self._sent_at) > _MOST:
            self._sent_at.popitem(last=False)

    def take(self, run_id: str | None, now: float) -> float:
        """Return the seconds after which the answer must be shown again, 0 for never; forgets the run."""
        sent_at = self._sent_at.pop(run_id, None) if run_id is not None else None
        return 0.0 if sent_at is None else max(0.0, sent_at + ACTS_WITHIN_SECONDS - now)
